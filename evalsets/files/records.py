"""Records of a delimited file with their lines, within the limits of size."""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from core.errors import Invalid, TooLarge
from evalsets.files.limits import MAX_CELL_BYTES, MAX_ROW_BYTES, size_text


class Record(NamedTuple):
    """A row as its cells; `line` is where it begins."""

    line: int
    cells: list[str]


def read_records(
    file: BinaryIO, encoding: str, delimiter: str, *, quoted: bool
) -> Iterator[Record]:
    """All records from the start of `file`; raises Invalid where the quotes do not match."""
    file.seek(0)
    csv.field_size_limit(MAX_CELL_BYTES)
    text = io.TextIOWrapper(file, encoding, newline="")
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(_bounded(text), delimiter=delimiter, quoting=quoting, strict=True)
    line = 1
    try:
        for cells in reader:
            yield Record(line, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        raise _broken(line, str(error)) from None
    finally:
        text.detach()


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(MAX_ROW_BYTES + 1):
        number += 1
        if len(line) > MAX_ROW_BYTES:
            raise TooLarge(
                f"line {number}: longer than {size_text(MAX_ROW_BYTES)}. Shorten or split it"
            )
        yield line


def _broken(line: int, error: str) -> Invalid | TooLarge:
    if "field larger" in error:
        limit = size_text(MAX_CELL_BYTES)
        return TooLarge(f"line {line}: a cell exceeds {limit}. Close its quote or shorten it")
    if "end of data" in error:
        return Invalid(
            f'line {line}: a quote opened in this row is never closed. Add the missing "'
        )
    return Invalid(f'line {line}: text after a closing quote. Write a quote in a cell as ""')


def width_of(cells: list[str]) -> int:
    """Cells up to the last one that holds something."""
    return max((index for index, cell in enumerate(cells, 1) if cell.strip()), default=0)
