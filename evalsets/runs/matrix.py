"""Pages of the matrix cases × arms, chosen and cut in SQL: 50 rows with previews."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from evalsets.labels.state import CellLabel, cells_labels
from evalsets.models import Case, Cell, CellScore, Run
from evalsets.runs.cells import get_run
from evalsets.runs.matrix_filters import Conditions, Filter, ScoreFilter, conditions

PAGE = 50


@dataclass(frozen=True)
class MatrixCell:
    """A cell of the page; `preview` are at most 200 characters."""

    number: int
    arm: int
    state: str
    preview: str | None
    cached: bool
    interrupted: bool
    error_kind: str | None
    error: str | None
    label: CellLabel | None
    scores: dict[str, float | None] = field(default_factory=dict[str, float | None])


@dataclass(frozen=True)
class MatrixRow:
    """A case and repeat with one cell an arm; None where an imported arm has none.

    `key` = position × repeats + repeat − 1 is the cursor.
    """

    key: int
    position: int
    repeat: int
    case_id: str
    inputs: dict[str, Any]
    expected: str | None
    tags: list[str]
    cells: tuple[MatrixCell | None, ...]


@dataclass(frozen=True)
class MatrixPage:
    """`before` and `after` are cursors of the pages on both sides, None where there is none."""

    arms: tuple[str, ...]
    rows: list[MatrixRow]
    before: int | None
    after: int | None


def matrix_page(
    session: Session,
    run_id: str,
    *,
    show: Filter = "all",
    score: ScoreFilter | None = None,
    text: str = "",
    after: int | None = None,
    before: int | None = None,
    limit: int = PAGE,
) -> MatrixPage:
    """The rows behind the cursor `after` (or ahead of `before`) that pass every filter."""
    run = get_run(session, run_id)
    arms = tuple(str(arm["name"]) for arm in run.manifest["arms"])
    shape = _Shape(run, len(arms))
    backwards = before is not None
    keys = _keys(session, shape, conditions(show, score, text), after, before, limit + 1)
    more, keys = len(keys) > limit, sorted(keys[:limit])
    rows = _rows(session, shape, keys)
    return MatrixPage(
        arms,
        rows,
        before=keys[0] if keys and (more if backwards else after is not None) else None,
        after=keys[-1] if keys and (more or backwards) else None,
    )


class _Shape:
    """How the numbers of a run's cells come about."""

    def __init__(self, run: Run, arms: int) -> None:
        self.run_id = run.id
        self.arms = arms
        self.repeats = run.repeats

    def key(self) -> ColumnElement[int]:
        """The row of a cell."""
        position = col(Cell.number) // (self.arms * self.repeats)
        return position * self.repeats + col(Cell.repeat) - 1

    def number(self, key: int, arm: int) -> int:
        """The cell of a row and arm."""
        position, repeat = divmod(key, self.repeats)
        return (position * self.arms + arm) * self.repeats + repeat

    def first(self, key: int) -> int:
        """The first cell of a row's case: a bound that the primary key can use."""
        return key // self.repeats * self.arms * self.repeats

    def numbers(self, key: int) -> list[int]:
        """The cells of a row."""
        return [self.number(key, arm) for arm in range(self.arms)]


def _keys(
    session: Session,
    shape: _Shape,
    wanted: Conditions,
    after: int | None,
    before: int | None,
    limit: int,
) -> list[int]:
    key = shape.key().label("key")
    query = select(key).where(Cell.run_id == shape.run_id, *wanted.where).group_by(key)
    if wanted.having is not None:
        query = query.having(wanted.having)
    if after is not None:
        query = query.where(shape.key() > after, col(Cell.number) >= shape.first(after))
    if before is not None:
        query = query.where(
            shape.key() < before, col(Cell.number) < shape.first(before + shape.repeats)
        )
    query = query.order_by(key.desc() if before is not None else key).limit(limit)
    return list(session.connection().execute(query).scalars())


def _rows(session: Session, shape: _Shape, keys: Sequence[int]) -> list[MatrixRow]:
    numbers = [number for key in keys for number in shape.numbers(key)]
    if not numbers:
        return []
    query = (
        select(Cell, Case)
        .join(Case, col(Case.id) == col(Cell.case_ref))
        .where(Cell.run_id == shape.run_id, col(Cell.number).in_(numbers))
    )
    found = {cell.number: (cell, case) for cell, case in session.exec(query)}
    labels = cells_labels(session, shape.run_id, list(found))
    scores = _scores(session, shape.run_id, list(found))
    rows: list[MatrixRow] = []
    for key in keys:
        here = [found.get(number) for number in shape.numbers(key)]
        case = next(pair[1] for pair in here if pair is not None)
        cells = tuple(
            None if pair is None else _cell(pair[0], labels, scores.get(pair[0].number, {}))
            for pair in here
        )
        position, repeat = divmod(key, shape.repeats)
        rows.append(
            MatrixRow(
                key,
                position,
                repeat + 1,
                case.case_id,
                case.inputs,
                case.expected,
                case.tags,
                cells,
            )
        )
    return rows


def _cell(cell: Cell, labels: dict[int, CellLabel], scores: dict[str, float | None]) -> MatrixCell:
    return MatrixCell(
        number=cell.number,
        arm=cell.arm,
        state=cell.state,
        preview=cell.preview,
        cached=cell.cached,
        interrupted=cell.interrupted,
        error_kind=cell.error_kind,
        error=cell.error,
        label=labels.get(cell.number),
        scores=scores,
    )


def _scores(
    session: Session, run_id: str, numbers: Sequence[int]
) -> dict[int, dict[str, float | None]]:
    query = select(CellScore.cell, CellScore.evaluator, CellScore.value)
    here = query.where(CellScore.run_id == run_id, col(CellScore.cell).in_(numbers))
    found: dict[int, dict[str, float | None]] = {}
    for cell, evaluator, value in session.connection().execute(here):
        found.setdefault(cell, {})[evaluator] = value
    return found
