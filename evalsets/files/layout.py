"""How a delimited file is cut: its delimiter, its quotes, and where the header stands."""

import io
import re
from collections import Counter
from itertools import islice
from typing import BinaryIO, NamedTuple

from core.errors import Invalid, TooLarge
from evalsets.files.escaping import unescape_cell
from evalsets.files.limits import MAX_COLUMNS
from evalsets.files.records import Record, read_records, width_of

SAMPLE_ROWS = 100
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*')


class Layout(NamedTuple):
    """How the file is cut: `header` is the index of the header among the records."""

    delimiter: str
    quoted: bool
    header: int
    names: list[str]


def find_layout(
    file: BinaryIO, encoding: str, tabs: bool, header_line: int | None, notices: list[str]
) -> Layout:
    """Told from the first rows; what is skipped or named goes to `notices`."""
    wanted = _declared_delimiter(file, encoding)
    order = [wanted] if wanted else ["\t", ",", ";", "|"] if tabs else [",", "\t", ";", "|"]
    samples = {mark: _sample(file, encoding, mark, quoted=True) for mark in order}
    delimiter = max(order, key=lambda mark: (_agreement(samples[mark].records), -order.index(mark)))
    records, quoted = samples[delimiter].records, True
    if delimiter == "\t" and samples[delimiter].broken:
        records, quoted = _sample(file, encoding, "\t", quoted=False).records, False
    if not records:
        next(read_records(file, encoding, delimiter, quoted=quoted), None)
    header = find_header(records, header_line, skip=1 if wanted else 0)
    line, cells = records[header]
    names = column_names(Record(line, [unescape_cell(cell.strip()) for cell in cells]), notices)
    return Layout(delimiter, quoted, header, names)


def _declared_delimiter(file: BinaryIO, encoding: str) -> str | None:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="")
    found = _SEPARATOR_LINE.fullmatch(text.readline(16))
    text.detach()
    return found.group(1) if found else None


class _Sample(NamedTuple):
    """The first records; `broken` where quotes do not match among them."""

    records: list[Record]
    broken: bool


def _sample(file: BinaryIO, encoding: str, delimiter: str, *, quoted: bool) -> _Sample:
    found: list[Record] = []
    try:
        found.extend(islice(read_records(file, encoding, delimiter, quoted=quoted), SAMPLE_ROWS))
    except (Invalid, TooLarge):
        return _Sample(found, True)
    return _Sample(found, False)


def _agreement(records: list[Record]) -> float:
    """How well a delimiter explains the sample: share of rows as wide as most, 0 for one column."""
    widths = Counter(len(record.cells) for record in records if width_of(record.cells))
    if not widths:
        return 0.0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    return count / widths.total() if width > 1 else 0.0


def find_header(records: list[Record], header_line: int | None = None, skip: int = 0) -> int:
    """Index of the header: the first full row below a title, remarks or blank lines."""
    if header_line is not None:
        for index, record in enumerate(records):
            if record.line == header_line:
                return index
        raise Invalid(f"no row begins on line {header_line}. Name the line of the header")
    filled = [index for index in range(skip, len(records)) if width_of(records[index].cells)]
    if not filled:
        raise Invalid("the file is empty. Give a header line and at least one row")
    usual = Counter(len(records[index].cells) for index in filled).most_common(1)[0][0]
    for index in filled:
        cells = records[index].cells
        if len(cells) == usual > 1 and _is_header(cells) and _are_remarks(records[skip:index]):
            return index
    return filled[0]


def _is_header(cells: list[str]) -> bool:
    names = [cell.strip() for cell in cells]
    short = all(0 < len(name) <= 128 and "\n" not in name for name in names)
    return short and len(set(names)) == len(names)


def _are_remarks(records: list[Record]) -> bool:
    """Lines that are no rows: blank, one cell, a comment, or set apart by a blank line."""
    if records and not width_of(records[-1].cells):
        return True
    return all(
        sum(bool(cell.strip()) for cell in record.cells) <= 1 or record.cells[0].startswith("#")
        for record in records
    )


def column_names(header: Record, notices: list[str]) -> list[str]:
    """Distinct names of the columns; says in `notices` what was skipped or named."""
    if header.line > 1:
        where = "line 1" if header.line == 2 else f"lines 1 to {header.line - 1}"
        notices.append(f"{where} before the header skipped")
    cells = header.cells[: width_of(header.cells)]
    names = [name or f"column_{index}" for index, name in enumerate(cells, 1)]
    if unnamed := [name for name, cell in zip(names, cells, strict=True) if not cell]:
        notices.append(f"columns without a name are called {', '.join(unnamed)}"[:200])
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise Invalid(f"line {header.line}: two columns are called {repeated[0]!r}. Rename one")
    if len(names) > MAX_COLUMNS:
        raise TooLarge(f"line {header.line}: more than {MAX_COLUMNS} columns. Remove some")
    return names
