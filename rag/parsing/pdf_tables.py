"""Lines of a PDF page that stand in columns, as the rows of a table."""

from collections.abc import Sequence
from typing import NamedTuple

from rag.parsing.tables import table_text

_LEAST_ROWS = 3


class Cell(NamedTuple):
    """Words that stand together on a line, from `x` to `end`."""

    x: float
    end: float
    text: str


def table(rows: Sequence[Sequence[Cell]]) -> str | None:
    """The rows as a table; None when they are too few or do not share their columns."""
    if len(rows) < _LEAST_ROWS:
        return None
    columns = _columns(rows)
    placed: list[list[str]] = []
    for row in rows:
        line = [""] * len(columns)
        for cell in row:
            at = next(n for n, (x, end) in enumerate(columns) if x <= cell.x and cell.end <= end)
            if line[at]:
                return None  # a cell that spans columns has joined them
            line[at] = cell.text
        placed.append(line)
    return table_text(placed)


def _columns(rows: Sequence[Sequence[Cell]]) -> list[tuple[float, float]]:
    """Where the columns lie: cells that stand above each other are in one."""
    columns: list[tuple[float, float]] = []
    for cell in sorted(cell for row in rows for cell in row):
        if columns and cell.x < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(columns[-1][1], cell.end))
        else:
            columns.append((cell.x, cell.end))
    return columns
