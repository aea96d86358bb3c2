"""CSV and TSV: one record a line, under the names of the header."""

import csv
import io
from collections.abc import Iterator

from core.errors import Invalid
from rag.parsing.encodings import decode
from rag.parsing.extract import Extract
from rag.parsing.limits import Limits, require, size_text
from rag.parsing.tables import table_text

_DELIMITERS = ",;\t|"


def read_csv(data: bytes, limits: Limits) -> Extract:
    """A small table as Markdown, a long one as records."""
    _bound_lines(data, limits)
    text, notes = decode(data)
    csv.field_size_limit(limits.line_bytes)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=_delimiter(text)))
    except csv.Error as error:
        raise Invalid(f"Its CSV is damaged: {error}. Save it again and add it.") from None
    return Extract("csv", table_text(rows), None, (), notes)


def _bound_lines(data: bytes, limits: Limits) -> None:
    longest = max((len(line) for line in data.splitlines()), default=0)
    require(
        longest <= limits.line_bytes,
        f"One of its rows is longer than {size_text(limits.line_bytes)}. Split it.",
    )


def _delimiter(text: str) -> str:
    """The one that gives most lines the same number of cells, more than one."""
    lines = [line for line in text[:65536].split("\n")[:50] if line.strip()]
    return max(_DELIMITERS, key=lambda each: _agreement(lines, each))


def _agreement(lines: list[str], delimiter: str) -> tuple[int, int]:
    widths = [len(row) for row in _rows(lines, delimiter)]
    common = max(set(widths), key=lambda width: (widths.count(width), width), default=1)
    return (widths.count(common) if common > 1 else 0, -_DELIMITERS.index(delimiter))


def _rows(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return
