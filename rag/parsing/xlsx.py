"""XLSX: each visible sheet a page, its tables under their header, formulas as their value."""

import io
from collections.abc import Iterator
from datetime import date, datetime, time
from itertools import groupby
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from core.errors import Invalid
from rag.parsing.docx import core_title
from rag.parsing.extract import Extract, counted, paged
from rag.parsing.limits import Limits, require
from rag.parsing.packages import BROKEN, office_package
from rag.parsing.tables import names_columns, table_text

MAX_CELLS = 5_000_000
_BROKEN = (*BROKEN, InvalidFileException, AttributeError, IndexError, TypeError, SyntaxError)
_CURRENCIES = "$€£¥₹₽₩"


def read_xlsx(data: bytes, limits: Limits) -> Extract:
    """Every visible sheet with its name as the heading."""
    archive = office_package(data, limits)
    try:
        book = openpyxl.load_workbook(
            io.BytesIO(data), read_only=True, data_only=True, keep_links=False
        )
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        hidden = len(book.worksheets) - len(sheets)
        parts = [_sheet(sheet) for sheet in sheets]
    except _BROKEN:
        raise Invalid(
            "It is damaged. Open it in a spreadsheet program and save it again."
        ) from None
    filled = [part for part in parts if "\n" in part]
    if not filled:
        raise Invalid("Its visible sheets are empty. Give a workbook with cells in it.")
    notes = [f"{counted(hidden, 'hidden sheet was', 'hidden sheets were')} left out"]
    return paged("xlsx", filled, core_title(archive), notes if hidden else ())


def _sheet(sheet: Any) -> str:
    sheet.reset_dimensions()
    rows = list(_rows(sheet))
    blocks = [list(group) for filled, group in groupby(rows, key=any) if filled]
    header: list[str] | None = None
    texts: list[str] = []
    for block in blocks:
        while len(block) > 1 and sum(map(bool, block[0])) == 1 < sum(map(bool, block[1])):
            texts.append(next(cell for cell in block.pop(0) if cell))  # a title above the table
        if names_columns([[cell for cell in block[0] if cell], *block[1:]]):
            header = block[0]
        elif header and len(block[0]) == len(header):
            block = [header, *block]  # the same table after a blank row
        texts.append(table_text(block))
    return "\n\n".join([f"## {sheet.title}", *texts])


def _rows(sheet: Any) -> Iterator[list[str]]:
    slots = 0
    for row in sheet.iter_rows():
        slots += len(row) + 1
        require(
            slots <= MAX_CELLS,
            f"A sheet has more than {MAX_CELLS:,} cells. Delete what is blank and split it.",
        )
        yield [_shown(cell) if cell.value is not None else "" for cell in row]


def _shown(cell: Any) -> str:
    """The value as the sheet shows it, as far as words need it."""
    value = cell.value
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time.min else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value, cell.number_format or "")
    return str(value)


def _number(value: float, shape: str) -> str:
    if shape.endswith("%"):
        return f"{value * 100:.10g}%"
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    sign = next((each for each in _CURRENCIES if each in shape), "")
    return f"{sign}{text}" if "[" not in shape or sign else text
