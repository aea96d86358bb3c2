"""Which rows stand on a page of the matrix: filtered, ordered and cut in SQL."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, func
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
    if before is not None:
        query = query.where(shape.key() < before).order_by(key.desc())
        start = shape.first(before + shape.repeats)
    else:
        query = query.order_by(key)
        if after is not None:
            query = query.where(shape.key() > after)
        start = 0 if after is None else shape.first(after)
    found: list[int] = []
    for low, high in _windows(session, shape, start, limit, backwards=before is not None):
        here = query.where(col(Cell.number) >= low, col(Cell.number) < high)
        rows = session.connection().execute(here.limit(limit - len(found))).scalars()
        found += rows
        if len(found) == limit:
            break
    return found


def _windows(
    session: Session, shape: Shape, start: int, limit: int, *, backwards: bool
) -> Iterator[tuple[int, int]]:
    """Ranges of whole cases from a cell's number on, each four times the last.

    Grouping needs every cell of its range, so the range is what a page costs; where few rows pass,
    all of the run is read in some ten queries.
    """
    cells = select(func.max(Cell.number)).where(Cell.run_id == shape.run_id)
    last = session.exec(cells).one()
    span = shape.arms * shape.repeats
    size = limit * span
    end = 0 if last is None else last + 1
    at = min(start, -(-end // span) * span) if backwards else start
    while at > 0 if backwards else at < end:
        yield (max(at - size, 0), at) if backwards else (at, at + size)
        at += -size if backwards else size
        size *= 4


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
