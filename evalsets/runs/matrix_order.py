"""How much the rows of a matrix lose against a base arm, in SQL: by labels or by a score."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, Float, Subquery, and_, case, exists, func, literal, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from evalsets.models import Cell, CellScore, Label

_UNKNOWN = -1e300
"""The loss of a row without two values to compare: it comes last."""


class ByLoss(NamedTuple):
    """Biggest loss against the arm at position `base` first; by labels, or by an evaluator."""

    base: int
    evaluator: str | None = None


class Losses(NamedTuple):
    """`rows`: key and loss of every row; `loss`: its column, `_UNKNOWN` instead of null."""

    rows: Subquery
    loss: ColumnElement[float]

    def beyond(self, key: ColumnElement[int], at: float, cursor: int) -> ColumnElement[bool]:
        """Rows that come after the row `cursor`, whose loss is `at`."""
        return or_(self.loss < at, and_(self.loss == at, key > cursor))

    def ahead(self, key: ColumnElement[int], at: float, cursor: int) -> ColumnElement[bool]:
        """Rows that come before it."""
        return or_(self.loss > at, and_(self.loss == at, key < cursor))


def losses(run_id: str, key: ColumnElement[int], order: ByLoss) -> Losses:
    """The value of the base arm less the worst value of another; `key` tells a cell's row."""
    value = _by_label() if order.evaluator is None else _by_score(order.evaluator)
    base = func.max(case((col(Cell.arm) == order.base, value)))
    worst = func.min(case((col(Cell.arm) != order.base, value)))
    loss = func.coalesce(base - worst, literal(_UNKNOWN, Float))
    query = select(key.label("key"), loss.label("loss")).where(Cell.run_id == run_id)
    rows = query.group_by(key).subquery()
    return Losses(rows, rows.c.loss)


def _by_score(evaluator: str) -> ColumnElement[float]:
    query = select(CellScore.value).where(
        col(CellScore.run_id) == Cell.run_id,
        col(CellScore.cell) == Cell.number,
        col(CellScore.evaluator) == evaluator,
    )
    return query.correlate(Cell).scalar_subquery()


def _by_label() -> ColumnElement[float]:
    """1 good, 0 bad, null for what says neither; as `statistics.votes.cell_label` decides."""
    vote = aliased(Label)
    newest = select(
        func.sum(
            case((col(vote.label) == "good", 1.0), (col(vote.label) == "bad", -1.0), else_=0.0)
        )
    )
    newest = newest.where(*_counts(vote), col(vote.adjudicated).is_(False)).correlate(Cell)
    judged = aliased(Label)
    decided = select(judged.label).where(
        *_counts(judged), col(judged.adjudicated).is_(True), col(judged.label).is_not(None)
    )
    decided = decided.order_by(col(judged.id).desc()).limit(1).correlate(Cell)
    said, sum_of = decided.scalar_subquery(), newest.scalar_subquery()
    return case(
        (said == "good", 1.0),
        (said == "bad", 0.0),
        (said.is_not(None), None),
        (sum_of > 0, 1.0),
        (sum_of < 0, 0.0),
    )


def _counts(label: type[Label]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """It is about the cell's output, and its annotator said nothing later in the same way."""
    later = aliased(Label)
    replaced = exists().where(
        col(later.item_key) == label.item_key,
        col(later.annotator) == label.annotator,
        col(later.adjudicated) == label.adjudicated,
        col(later.id) > col(label.id),
    )
    return col(label.item_key) == Cell.item_key, ~replaced
