"""Calls over time, for a chart: at most sixty bars between two moments."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Float, cast, func
from sqlmodel import Session, col, select

from serving.lookup import need_app
from serving.models import Trace

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WIDTHS = (
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 14, 28, 91, 364)),
)
MOST_BARS = 60


class Bar(NamedTuple):
    """Calls from `at` on for `seconds`, those before the next bar; `errors` had no answer."""

    at: datetime
    seconds: int
    calls: int
    errors: int


def timeline(session: Session, app: str, since: datetime, until: datetime) -> list[Bar]:
    """Every bar of the window, also those without a call; raises NotFound."""
    app_id = need_app(session, app).id
    width = bar_seconds((until - since).total_seconds())
    seconds = epoch(session.get_bind().dialect.name)
    place = cast(func.floor(seconds / width), BigInteger).label("place")
    failed = func.count().filter(col(Trace.state) == "failed")
    query: Any = select(place, func.count(), failed).where(
        Trace.app_id == app_id, Trace.at >= since, Trace.at < until
    )
    rows: Any = session.connection().execute(query.group_by(place))
    found = {at: (calls, errors) for at, calls, errors in rows}
    first, last = int(since.timestamp() // width), int((until.timestamp() - 1e-6) // width)
    return [
        Bar(datetime.fromtimestamp(at * width, UTC), width, *found.get(at, (0, 0)))
        for at in range(first, last + 1)
    ]


def bar_seconds(span: float) -> int:
    """The finest width with which a span of so many seconds has few enough bars."""
    return next((width for width in _WIDTHS if span / width < MOST_BARS), _WIDTHS[-1])


def epoch(dialect: str) -> Any:
    """The moment of a call in seconds since 1970, to the millisecond."""
    at = col(Trace.at)
    if dialect == "postgresql":
        return cast(func.extract("epoch", at), Float)
    return func.unixepoch(at, "subsec")
