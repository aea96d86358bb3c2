"""Shares of the judged sample stand apart by release, and the judge's cost by day."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.database import Database
from core.errors import NotFound
from evalsets.statistics.shares import wilson
from serving.judged_shares import judge_spent, judged_shares
from serving.models import Judgement
from tests.support.calls import make_app, make_calls

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_every_release_has_its_own_share(db: Database) -> None:
    with db.session_scope("test") as session:
        app = make_app(session)
        for release, good, bad, unscored in ((1, 3, 1, 2), (2, 0, 2, 0)):
            for word, count in (("good", good), ("bad", bad), ("unscored", unscored)):
                fields = {"release": release}
                if count:
                    make_calls(
                        session, app, count, until=NOW, fields=lambda _, f=fields: f, judged=word
                    )
        make_calls(session, app, 4, until=NOW)
        make_calls(session, app, 2, until=NOW - 3 * HOUR, judged="good")
        make_calls(session, make_app(session, "other"), 2, until=NOW, judged="good")
    with db.read_scope() as session:
        found = judged_shares(session, "faq", NOW - HOUR, NOW + HOUR)
        with pytest.raises(NotFound):
            judged_shares(session, "none", NOW - HOUR, NOW)
    assert {n: (one.good, one.bad, one.unscored) for n, one in found.items()} == {
        1: (3, 1, 2), 2: (0, 2, 0),
    }  # fmt: skip
    assert (found[1].share, found[1].n, found[1].ci95) == (0.75, 4, wilson(3, 4))
    assert found[2].share == 0


def test_a_judge_costs_what_it_cost_today(db: Database) -> None:
    with db.session_scope("test") as session:
        app = make_app(session)
        other = make_app(session, "other")
        rows = (
            (app, NOW, "0.1"), (app, NOW - HOUR, "0.2"), (app, NOW, None),
            (app, NOW - 13 * HOUR, "5"), (other, NOW, "7"),
        )  # fmt: skip
        for number, (owner, at, cost) in enumerate(rows):
            session.add(
                Judgement(
                    trace_id=str(number), app_id=owner.id, model="judge", value=1.0, at=at,
                    cost=None if cost is None else Decimal(cost),
                )
            )  # fmt: skip
    with db.read_scope() as session:
        spent = judge_spent(session, "faq", NOW)
    assert (spent.usd, spent.unpriced) == (Decimal("0.3"), 1)
