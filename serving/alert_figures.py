"""The figures that alerts watch, over one window."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import Session, col, select

from serving.alert_rule import Measured, Window
from serving.models import Feedback, Trace
from serving.settings import Alert
from serving.sums import cost_sum, exact_cost


def measured(session: Session, app_id: str, alert: Alert, window: Window) -> Measured:
    """The figure of an alert over a window, of whatever is recorded of it by now."""
    wanted = [
        col(Trace.app_id) == app_id,
        col(Trace.at) >= window.start,
        col(Trace.at) < window.end,
    ]
    if alert.figure == "share_good":
        return _share_good(session, app_id, window)
    return _OF_CALLS[alert.figure](session, wanted)


def _error_rate(session: Session, wanted: list[ColumnElement[bool]]) -> Measured:
    failed = or_(col(Trace.status) >= 500, col(Trace.state) == "failed")
    sums: Any = select(func.count(), func.count().filter(failed)).where(*wanted)
    calls, errors = session.exec(sums).one()
    return Measured(errors / calls if calls else None, calls)


def _latency_p95(session: Session, wanted: list[ColumnElement[bool]]) -> Measured:
    """Of succeeded calls, by linear interpolation as everywhere."""
    wanted = [*wanted, col(Trace.state) == "succeeded"]
    n = session.exec(select(func.count()).select_from(Trace).where(*wanted)).one()
    if not n:
        return Measured(None, 0)
    place = 0.95 * (n - 1)
    query = select(Trace.latency_ms).where(*wanted).order_by(col(Trace.latency_ms))
    around = list(session.exec(query.offset(int(place)).limit(2)))
    return Measured(around[0] + (around[-1] - around[0]) * (place - int(place)), n)


def _cost(session: Session, wanted: list[ColumnElement[bool]]) -> Measured:
    parts = cost_sum(session.get_bind().dialect.name)
    query: Any = select(func.count(col(Trace.cost)), *parts).where(*wanted)
    n, *sums = session.connection().execute(query).one()
    return Measured(float(exact_cost(sums)) if n else None, n)


_OF_CALLS: dict[str, Callable[[Session, list[ColumnElement[bool]]], Measured]] = {
    "error_rate": _error_rate,
    "latency_p95_ms": _latency_p95,
    "cost_day_usd": _cost,
}


def _share_good(session: Session, app_id: str, window: Window) -> Measured:
    """By when a rating came, not its call: ratings come later than calls."""
    query = (
        select(Feedback.trace_id, Feedback.rating)
        .where(
            Feedback.app_id == app_id,
            col(Feedback.at) >= window.start,
            col(Feedback.at) < window.end,
            col(Feedback.rating).is_not(None),
        )
        .order_by(col(Feedback.at), col(Feedback.id))
    )
    newest = dict(session.exec(query).all())
    good = sum(rating == "good" for rating in newest.values())
    return Measured(good / len(newest) if newest else None, len(newest))
