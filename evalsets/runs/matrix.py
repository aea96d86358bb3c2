"""Pages of the matrix cases × arms, chosen and cut in SQL: 50 rows with previews."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session, col, select

from evalsets.labels.state import CellLabel, cells_labels
from evalsets.models import Case, Cell, CellScore
from evalsets.runs.cells import get_run
from evalsets.runs.highlights import highlighted
from evalsets.runs.matrix_filters import Filter, ScoreFilter, conditions
from evalsets.runs.matrix_keys import Shape, find_keys
from evalsets.runs.matrix_order import ByLoss

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
    highlighted: bool = False
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
    order: ByLoss | None = None,
    after: int | None = None,
    before: int | None = None,
    limit: int = PAGE,
) -> MatrixPage:
    """The rows behind the cursor `after` (or ahead of `before`) that pass every filter.

    In the order of the cases, or by `order`, where rows without a known loss come last.
    """
    run = get_run(session, run_id)
    arms = tuple(str(arm["name"]) for arm in run.manifest["arms"])
    shape = Shape(run, len(arms))
    backwards = before is not None
    keys = find_keys(session, shape, conditions(show, score, text), order, after, before, limit + 1)
    more, keys = len(keys) > limit, keys[:limit]
    if backwards:
        keys.reverse()
    rows = _rows(session, shape, keys)
    return MatrixPage(
        arms,
        rows,
        before=keys[0] if keys and (more if backwards else after is not None) else None,
        after=keys[-1] if keys and (more or backwards) else None,
    )


def _rows(session: Session, shape: Shape, keys: Sequence[int]) -> list[MatrixRow]:
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
    marked = highlighted(session, shape.run_id, list(found))
    rows: list[MatrixRow] = []
    for key in keys:
        here = [found.get(number) for number in shape.numbers(key)]
        case = next(pair[1] for pair in here if pair is not None)
        cells = tuple(
            None if pair is None else _cell(pair[0], labels, scores, marked) for pair in here
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


def _cell(
    cell: Cell,
    labels: dict[int, CellLabel],
    scores: dict[int, dict[str, float | None]],
    marked: frozenset[int],
) -> MatrixCell:
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
        highlighted=cell.number in marked,
        scores=scores.get(cell.number, {}),
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
