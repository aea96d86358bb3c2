"""Rows out of an XLSX workbook, after its archive was found to be of a sane size."""

import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from typing import Any, BinaryIO

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from core.canonical import Json
from core.errors import Invalid, TooLarge
from evalsets.files.escaping import unescape_xlsx
from evalsets.files.layout import SAMPLE_ROWS, column_names, find_header
from evalsets.files.limits import (
    MAX_ARCHIVE_MEMBERS,
    MAX_ARCHIVE_RATIO,
    MAX_CONTENT_BYTES,
    MAX_ROWS,
    MAX_VALUES,
    size_text,
)
from evalsets.files.records import Record
from evalsets.files.tables import RawRow, RawTable

_REMEDY = "Open it in a spreadsheet program and save it as .xlsx again, or as CSV"
_BROKEN = (
    zipfile.BadZipFile,
    InvalidFileException,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    SyntaxError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    zipfile.LargeZipFile,
    zlib.error,
)
"""What openpyxl and zipfile raise on a damaged workbook; they have no common class."""


def check_archive(file: BinaryIO) -> None:
    """Refuse a ZIP whose directory announces a bomb, or whose XML declares entities.

    Python's zipfile never unpacks more of a member than the directory announces.
    """
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            packed = sum(member.compress_size for member in members)
            ratio = unpacked / max(packed, 1)
            small = unpacked <= 1 << 20
            if len(members) > MAX_ARCHIVE_MEMBERS or unpacked > MAX_CONTENT_BYTES:
                raise TooLarge(
                    f"the workbook unpacks to {size_text(unpacked)} in {len(members)} parts; "
                    f"{size_text(MAX_CONTENT_BYTES)} are read at most. Split it or save it as CSV"
                )
            if ratio > MAX_ARCHIVE_RATIO and not small:
                raise TooLarge(
                    f"the workbook unpacks to {ratio:.0f} times its size, which no real one does. "
                    "Save it as CSV"
                )
            _refuse_entities(archive, members)
    except _BROKEN as error:
        raise _damaged(error) from None


def _refuse_entities(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        if member.filename.endswith((".xml", ".rels")):
            with archive.open(member) as part:
                head = part.read(4096)
            if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                raise Invalid(f"the workbook's {member.filename[:60]} declares entities. {_REMEDY}")


def _damaged(error: BaseException) -> Invalid:
    return Invalid(f"the workbook is damaged ({type(error).__name__}). {_REMEDY}")


def read_xlsx(file: BinaryIO) -> RawTable:
    """The first sheet; its first row that is not blank is the header. Formulas give their value."""
    check_archive(file)
    file.seek(0)
    notices: list[str] = []
    return RawTable("xlsx", _guarded(_rows(file, notices)), notices=notices)


def _guarded(rows: Iterator[RawRow]) -> Iterator[RawRow]:
    try:
        yield from rows
    except _BROKEN as error:
        raise _damaged(error) from None


def _rows(file: BinaryIO, notices: list[str]) -> Iterator[RawRow]:
    book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    try:
        sheets = book.worksheets
        if not sheets:
            raise Invalid("the workbook has no sheet of cells. Add one with a header row")
        if len(sheets) > 1:
            notices.append(f"only the first of {len(sheets)} sheets ({sheets[0].title!r}) is read")
        sheets[0].reset_dimensions()
        yield from _cases(_bounded(sheets[0].iter_rows(values_only=True)), notices)
    finally:
        book.close()


def _bounded(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Rows with their gaps filled, as long as the sheet is not mostly gaps."""
    slots = 0
    for line, row in enumerate(rows, 1):
        slots += len(row)
        if line > MAX_ROWS + SAMPLE_ROWS or slots > 2 * MAX_VALUES:
            raise TooLarge(
                f"line {line}: the sheet reaches beyond {MAX_ROWS:,} rows or {MAX_VALUES:,} cells. "
                "Delete what is blank and split it"
            )
        yield row


def _cases(rows: Iterator[tuple[Any, ...]], notices: list[str]) -> Iterator[RawRow]:
    sample = list(islice(rows, SAMPLE_ROWS))
    records = [
        Record(line, [_header_text(cell) for cell in row]) for line, row in enumerate(sample, 1)
    ]
    header = records[find_header(records)]
    names = column_names(header, notices)
    blank = 0
    for line, cells in enumerate(chain(sample[header.line :], rows), header.line + 1):
        width = max((index for index, cell in enumerate(cells, 1) if cell is not None), default=0)
        if width == 0:
            blank += 1
        elif width > len(names):
            problem = f"{width} cells where the header has {len(names)}. Name or clear the column"
            yield RawRow(line, {}, problem)
        else:
            yield RawRow(line, _values(names, cells))
    if blank:
        notices.append(f"{blank} blank rows skipped")


def _header_text(cell: Any) -> str:
    return "" if cell is None else str(_value(cell.strip() if isinstance(cell, str) else cell))


def _values(names: list[str], cells: tuple[Any, ...]) -> dict[str, Json]:
    """Without the blank cells, which hold nothing rather than an empty text."""
    pairs = zip(names, cells, strict=False)
    return {name: _value(cell) for name, cell in pairs if cell is not None}


def _value(cell: Any) -> Json:
    if isinstance(cell, str):
        return unescape_xlsx(cell)
    if isinstance(cell, bool | int | float):
        return cell
    if isinstance(cell, datetime) and cell.time() == time.min:
        return cell.date().isoformat()
    if isinstance(cell, datetime | date | time):
        return cell.isoformat(*((" ",) if isinstance(cell, datetime) else ()))
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell)
