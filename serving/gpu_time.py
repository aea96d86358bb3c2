"""What an app's own GPUs cost: by the hour while they answer, and apart from it while they idle."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Float, Text, case, cast, func, or_, select, type_coerce
from sqlmodel import Session, col

from core.clock import utcnow
from evalsets.statistics.shares import CaseCost, cost_per_good
from serving.lookup import need_app
from serving.models import Trace
from serving.service import operations_of
from serving.stats import AppStats
from serving.timeline import epoch

_HOUR = 3600


@dataclass(frozen=True)
class GpuCost:
    """US dollars of a window in which one GPU was there for the app.

    `busy_seconds`: while at least one call without a price of its own was answered. `cost`: that
    time and the priced calls; `cost_per_good` as in ReleaseStats.
    """

    hour_usd: Decimal
    busy_seconds: float
    idle_seconds: float
    busy_usd: Decimal
    idle_usd: Decimal
    cost: Decimal
    cost_per_good: Decimal | None
    more_than: Decimal | None


def gpu_cost(session: Session, app: str, stats: AppStats) -> GpuCost | None:
    """The cost of the app's GPU in the window of `stats`; None where no price an hour is set."""
    found = need_app(session, app)
    price = operations_of(found).gpu_hour_usd
    if price is None:
        return None
    until = min(stats.until, utcnow())
    window = max((until - stats.since).total_seconds(), 0.0)
    busy = min(busy_seconds(session, found.id, stats.since, until), window)
    whole = stats.whole
    cost = whole.priced + _usd(price, busy)
    succeeded = whole.calls - whole.errors - whole.blocked - whole.aborted
    rated = [CaseCost(None, whole.good, whole.good + whole.bad)]
    per_good = cost_per_good(rated, cost, succeeded)
    return GpuCost(
        hour_usd=price,
        busy_seconds=busy,
        idle_seconds=window - busy,
        busy_usd=_usd(price, busy),
        idle_usd=_usd(price, window - busy),
        cost=cost,
        cost_per_good=per_good.cost_per_good,
        more_than=per_good.more_than,
    )


def _usd(price: Decimal, seconds: float) -> Decimal:
    return price * Decimal(round(seconds * 1000)) / (1000 * _HOUR)


def busy_seconds(session: Session, app_id: str, since: datetime, until: datetime) -> float:
    """Seconds in which a call that has no price of its own was on its way: their union."""
    begin = epoch(session.get_bind().dialect.name)
    end = begin + col(Trace.latency_ms) / 1000
    free = cast(type_coerce(col(Trace.cost), Text), Float) == 0
    own = or_(col(Trace.cost).is_(None), free)
    spans = (
        select(begin.label("begin"), end.label("end"))
        .where(
            col(Trace.app_id) == app_id,
            col(Trace.at) >= since,
            col(Trace.at) < until,
            col(Trace.model).is_not(None),
            col(Trace.state).in_(("succeeded", "failed", "aborted")),
            own,
        )
        .subquery()
    )
    reached = func.max(spans.c.end).over(order_by=spans.c.begin, rows=(None, -1))
    ordered = select(spans.c.begin, spans.c.end, reached.label("reached")).subquery()
    new: Any = case(
        (
            or_(ordered.c.reached.is_(None), ordered.c.begin >= ordered.c.reached),
            ordered.c.end - ordered.c.begin,
        ),
        (ordered.c.end > ordered.c.reached, ordered.c.end - ordered.c.reached),
        else_=0.0,
    )
    found = session.connection().execute(select(func.sum(new))).scalar()
    return float(found or 0)
