"""Rows written as CSV, XLSX or JSONL, streaming; `files.py` reads all three back unchanged.

CSV knows texts only: null becomes an empty cell, a number or a list its JSON text. XLSX keeps
texts, numbers, booleans and blanks apart. JSONL is exact.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import BinaryIO, Literal, NamedTuple

import openpyxl
import orjson

from core.canonical import Json, canonical_json
from core.errors import TooLarge
from evalsets.files.cases import RECOGNIZED, CaseRow
from evalsets.files.escaping import escape_cell, escape_xlsx

ExportFormat = Literal["csv", "xlsx", "jsonl"]
XLSX_MAX_ROWS = 1_048_576
XLSX_MAX_CELL = 32_767
"""UTF-16 units; spreadsheet programs cut the rest off without a word."""


def write_rows(
    format: ExportFormat,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Json | Decimal]],
    out: BinaryIO,
) -> int:
    """Write `rows` to `out` and return how many there were.

    `columns` orders CSV and XLSX; JSONL writes each row with the keys that it has. Raises TooLarge
    for what XLSX cannot hold.
    """
    if format == "jsonl":
        return _write_jsonl(rows, out)
    if format == "csv":
        return _write_csv(columns, rows, out)
    return write_workbook([Sheet("cases", columns, rows)], out)


def _write_jsonl(rows: Iterable[Mapping[str, Json | Decimal]], out: BinaryIO) -> int:
    count = 0
    for row in rows:
        out.write(_json_line(row))
        count += 1
    return count


def _json_line(row: Mapping[str, Json | Decimal]) -> bytes:
    try:
        return orjson.dumps(dict(row), default=str, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # lone surrogates and numbers beyond 64 bits, which only json can write
        return json.dumps(dict(row), default=str).encode() + b"\n"


def _write_csv(
    columns: Sequence[str], rows: Iterable[Mapping[str, Json | Decimal]], out: BinaryIO
) -> int:
    text = io.TextIOWrapper(out, "utf-8", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    count = 0
    try:
        writer.writerow([escape_cell(name) for name in columns])
        for row in rows:
            writer.writerow([_csv_cell(row.get(name)) for name in columns])
            count += 1
    finally:
        text.flush()
        text.detach()
    return count


def _csv_cell(value: Json | Decimal) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return escape_cell(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return escape_cell(canonical_json(value)) if _is_nested(value) else canonical_json(value)


def _is_nested(value: object) -> bool:
    return isinstance(value, (list, tuple, dict))


class Sheet(NamedTuple):
    """A sheet of a workbook; `rows` are streamed."""

    name: str
    columns: Sequence[str]
    rows: Iterable[Mapping[str, Json | Decimal]]


def write_workbook(sheets: Iterable[Sheet], out: BinaryIO) -> int:
    """An XLSX of several sheets, in which no text is a formula; returns the rows of the first.

    Raises TooLarge for what XLSX cannot hold.
    """
    book = openpyxl.Workbook(write_only=True)
    counts = [_write_sheet(book, sheet) for sheet in sheets]
    book.save(out)
    return counts[0]


def _write_sheet(book: openpyxl.Workbook, shown: Sheet) -> int:
    sheet = book.create_sheet(shown.name)
    sheet.append([escape_xlsx(name) for name in shown.columns])
    count = 0
    try:
        for row in shown.rows:
            count += 1
            if count >= XLSX_MAX_ROWS:
                raise TooLarge(f"XLSX holds {XLSX_MAX_ROWS - 1:,} rows. Export CSV instead.")
            sheet.append([_xlsx_cell(row.get(name), name, count) for name in shown.columns])
    finally:
        sheet.close()
    return count


def _xlsx_cell(value: Json | Decimal, name: str, row: int) -> str | int | float | Decimal | None:
    if value is None or isinstance(value, (bool, int, float, Decimal)):
        return value
    text = escape_xlsx(value if isinstance(value, str) else canonical_json(value))
    units = len(text) + sum(char > "\uffff" for char in text)
    if units > XLSX_MAX_CELL:
        raise TooLarge(
            f"Row {row}, column {name!r} has {units:,} characters and an XLSX cell holds "
            f"{XLSX_MAX_CELL:,}. Export CSV or JSONL instead."
        )
    return text


def case_columns(columns: Sequence[str]) -> list[str]:
    """Header of an exported data set: the recognized columns, then the inputs."""
    return [*RECOGNIZED, *columns]


def case_rows(cases: Iterable[CaseRow], format: ExportFormat) -> Iterator[dict[str, Json]]:
    """Cases as the flat rows that a push reads back to the same content."""
    for case in cases:
        tags: Json = list(case.tags) if format == "jsonl" else _tags_cell(case.tags)
        yield {
            "id": case.case_id,
            "tags": tags,
            "split": case.split,
            "expected": case.expected,
            **case.inputs,
        }


def _tags_cell(tags: Sequence[str]) -> Json:
    """`a, b`, or a JSON list where a tag would not survive that."""
    if not tags:
        return None
    plain = all(tag == tag.strip() and not set(tag) & set(",;[") for tag in tags)
    return ", ".join(tags) if plain else canonical_json(list(tags))
