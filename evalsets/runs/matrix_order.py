"""How much the rows of a matrix lose against a base arm, in SQL: by labels or by a score."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Subquery,
    and_,
    case,
    exists,
    func,
    inspect,
    literal,
    or_,
    outerjoin,
    type_coerce,
)
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from evalsets.models import Cell, CellScore, Label

UNKNOWN = -1e300
"""The loss of a row without two values to compare: it comes last."""


_CELLS, _SCORES = inspect(Cell).local_table, inspect(CellScore).local_table


class ByLoss(NamedTuple):
    """Biggest loss against the arm at position `base` first; by labels, or by an evaluator."""

    base: int
    evaluator: str | None = None


class Losses(NamedTuple):
    """`rows`: key and loss of every row; `loss`: its column, `UNKNOWN` instead of null."""

    rows: Subquery
    loss: ColumnElement[float]

    def beyond(self, key: ColumnElement[int], at: float, cursor: int) -> ColumnElement[bool]:
        """Rows that come after the row `cursor`, whose loss is `at`."""
        return or_(self.loss < at, and_(self.loss == at, key > cursor))

    def ahead(self, key: ColumnElement[int], at: float, cursor: int) -> ColumnElement[bool]:
        """Rows that come before it."""
        return or_(self.loss > at, and_(self.loss == at, key < cursor))


def losses(
    run_id: str, key: ColumnElement[int], order: ByLoss, *, only: Sequence[int] | None = None
) -> Losses:
    """The value of the base arm less the worst value of another; `key` tells a cell's row.

    `only` leaves out all cells but those numbers.
    """
    cells, value = _by_label(run_id) if order.evaluator is None else _by_score(order.evaluator)
    base = func.max(case((col(Cell.arm) == order.base, value)))
    worst = func.min(case((col(Cell.arm) != order.base, value)))
    loss = func.coalesce(base - worst, literal(UNKNOWN, Float))
    query = select(key.label("key"), loss.label("loss")).select_from(cells)
    query = query.where(Cell.run_id == run_id)
    if only is not None:
        query = query.where(col(Cell.number).in_(only))
    rows = query.group_by(key).subquery()
    return Losses(rows, rows.c.loss)


class _Valued(NamedTuple):
    """Cells, joined with what tells the value of each."""

    cells: FromClause
    value: ColumnElement[float]


def _by_score(evaluator: str) -> _Valued:
    scored = and_(
        col(CellScore.run_id) == Cell.run_id,
        col(CellScore.cell) == Cell.number,
        col(CellScore.evaluator) == evaluator,
    )
    return _Valued(outerjoin(_CELLS, _SCORES, scored), type_coerce(CellScore.value, Float))


def _by_label(run_id: str) -> _Valued:
    """1 good, 0 bad, null for what says neither; as `labels.state` decides.

    The newest adjudication is the one with the largest id, which carries its label as a digit.
    """
    later = aliased(Label)
    replaced = exists().where(
        col(later.item_key) == Label.item_key,
        col(later.annotator) == Label.annotator,
        col(later.id) > col(Label.id),
    )
    judged, good = col(Label.adjudicated), col(Label.label) == "good"
    bad = col(Label.label) == "bad"
    digit = case((good, 1), (bad, 2), else_=0)
    query = select(
        col(Label.item_key).label("item"),
        func.max(case((judged, col(Label.id) * 10 + digit))).label("judged"),
        func.sum(case((judged, 0), (good, 1), (bad, -1), else_=0)).label("ahead"),
    ).where(col(Label.label).is_not(None), ~replaced)
    here = select(Cell.item_key).where(Cell.run_id == run_id)
    said = query.where(col(Label.item_key).in_(here)).group_by(col(Label.item_key)).subquery()
    value = case(
        (said.c.judged % 10 == 1, 1.0),
        (said.c.judged % 10 == 2, 0.0),
        (said.c.judged.is_not(None), None),
        (said.c.ahead > 0, 1.0),
        (said.c.ahead < 0, 0.0),
    )
    return _Valued(outerjoin(_CELLS, said, said.c.item == Cell.item_key), value)
