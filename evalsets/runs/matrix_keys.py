"""Which rows stand on a page of the matrix: filtered, ordered and cut in SQL."""

from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from evalsets.models import Cell, Run
from evalsets.runs.matrix_filters import Conditions
from evalsets.runs.matrix_order import UNKNOWN, ByLoss, losses


class Shape:
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


def find_keys(
    session: Session,
    shape: Shape,
    wanted: Conditions,
    order: ByLoss | None,
    after: int | None,
    before: int | None,
    limit: int,
) -> list[int]:
    """From the cursor on; backwards, with the nearest first, from `before`."""
    key = shape.key().label("key")
    query = select(key).where(Cell.run_id == shape.run_id, *wanted.where).group_by(key)
    if wanted.having is not None:
        query = query.having(wanted.having)
    if order is not None:
        return _by_loss(session, shape, query, order, after, before, limit)
    if after is not None:
        query = query.where(shape.key() > after, col(Cell.number) >= shape.first(after))
    if before is not None:
        query = query.where(
            shape.key() < before, col(Cell.number) < shape.first(before + shape.repeats)
        )
    query = query.order_by(key.desc() if before is not None else key).limit(limit)
    return list(session.connection().execute(query).scalars())


def _by_loss(
    session: Session,
    shape: Shape,
    passing: Any,
    order: ByLoss,
    after: int | None,
    before: int | None,
    limit: int,
) -> list[int]:
    found = losses(shape.run_id, shape.key(), order)
    key, cursor = found.rows.c.key, after if before is None else before
    rows = passing.subquery()
    query = select(key).join(rows, rows.c.key == key)
    if cursor is not None:
        here = losses(shape.run_id, shape.key(), order, only=shape.numbers(cursor))
        at = session.connection().execute(select(here.loss)).scalar()
        beyond = found.beyond if before is None else found.ahead
        query = query.where(beyond(key, UNKNOWN if at is None else at, cursor))
    ends = (found.loss.desc(), key) if before is None else (found.loss, key.desc())
    return list(session.connection().execute(query.order_by(*ends).limit(limit)).scalars())
