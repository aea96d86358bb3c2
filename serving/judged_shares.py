"""What the judge of an app's sample found, by release; never mixed with what users said."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from evalsets.statistics.quantiles import Interval
from evalsets.statistics.shares import wilson
from serving.lookup import need_app
from serving.models import Judgement, Trace


class JudgedShare(NamedTuple):
    """Share of good among the judged calls of a release, with Wilson's interval."""

    release: int
    good: int
    bad: int
    unscored: int

    @property
    def n(self) -> int:
        return self.good + self.bad

    @property
    def share(self) -> float | None:
        return self.good / self.n if self.n else None

    @property
    def ci95(self) -> Interval | None:
        return wilson(self.good, self.n)


def judged_shares(
    session: Session, app: str, since: datetime, until: datetime
) -> dict[int, JudgedShare]:
    """By release, of calls of the window; raises NotFound."""
    query: Any = (
        select(Trace.release, Trace.judged, func.count())
        .where(
            Trace.app_id == need_app(session, app).id,
            col(Trace.at) >= since,
            col(Trace.at) < until,
            col(Trace.judged).is_not(None),
        )
        .group_by(col(Trace.release), col(Trace.judged))
    )
    counts: dict[int, dict[str, int]] = {}
    rows: Any = session.connection().execute(query).all()
    for release, judged, n in rows:
        counts.setdefault(release, {})[judged] = n
    return {
        release: JudgedShare(
            release, found.get("good", 0), found.get("bad", 0), found.get("unscored", 0)
        )
        for release, found in counts.items()
    }


class Spent(NamedTuple):
    """What a judge cost on one UTC day; `unpriced` judgements are not in it."""

    usd: Decimal
    unpriced: int


def judge_spent(session: Session, app: str, now: datetime) -> Spent:
    """Of the day of `now`; raises NotFound."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    mine = Judgement.app_id == need_app(session, app).id
    query = select(col(Judgement.cost)).where(mine, col(Judgement.at) >= day)
    costs = session.exec(query).all()
    known = [cost for cost in costs if cost is not None]
    return Spent(sum(known, Decimal(0)), len(costs) - len(known))
