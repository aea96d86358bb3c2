"""Rows out of CSV and TSV: every cell a text, ragged rows named by line."""

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from evalsets.files.escaping import unescape_cell
from evalsets.files.layout import Layout, find_layout
from evalsets.files.records import read_records, width_of
from evalsets.files.tables import RawRow, RawTable


def read_delimited(
    file: BinaryIO, encoding: str, *, tabs: bool, header_line: int | None = None
) -> RawTable:
    """A table of texts. `tabs` prefers tabs over commas; `header_line` overrules the guess."""
    notices: list[str] = []
    layout = find_layout(file, encoding, tabs, header_line, notices)
    rows = _rows(file, encoding, layout, notices)
    return RawTable("tsv" if layout.delimiter == "\t" else "csv", rows, encoding, True, notices)


def _rows(file: BinaryIO, encoding: str, layout: Layout, notices: list[str]) -> Iterator[RawRow]:
    names, unescaped, blank = layout.names, 0, 0
    records = read_records(file, encoding, layout.delimiter, quoted=layout.quoted)
    for line, cells in islice(records, layout.header + 1, None):
        width = width_of(cells)
        if width == 0:
            blank += 1
            continue
        if width > len(names) or len(cells) < len(names):
            yield RawRow(line, {}, _ragged(cells, names, layout.delimiter))
            continue
        values = [unescape_cell(cell) for cell in cells[: len(names)]]
        unescaped += sum(
            cell[:1] == "'" and len(cell) > len(value)
            for cell, value in zip(cells, values, strict=False)
        )
        yield RawRow(line, dict(zip(names, values, strict=True)))
    if blank:
        notices.append(f"{blank} blank lines skipped")
    if unescaped:
        notices.append(f"the apostrophe before a sign such as = or + taken off {unescaped} cells")


def _ragged(cells: list[str], names: list[str], delimiter: str) -> str:
    mark = "tab" if delimiter == "\t" else repr(delimiter)
    return (
        f"{len(cells)} cells where the header has {len(names)}. Put cells that hold a {mark} or a "
        "line break in double quotes, or add the missing cells"
    )
