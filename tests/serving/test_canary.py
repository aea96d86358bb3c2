"""Canaries: who gets one, when it has lost, and what the database does about it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlmodel import Session

from core.clock import utcnow
from core.database import Database
from serving import aliases
from serving.aliases import moves
from serving.canary import (
    canary_figures,
    judge_canaries,
    losing_canaries,
    stop_canaries,
    takes_canary,
)
from serving.canary_rule import LEAST_CALLS, Arm, CanaryFigures, decide
from serving.lookup import need_app
from serving.models import App, AppAlias, AppRelease
from tests.support.calls import make_app, make_calls

ACTOR = "user:test"
SINCE = datetime(2026, 11, 1, tzinfo=UTC)


def figures(canary: Mapping[str, int], stable: Mapping[str, int]) -> CanaryFigures:
    zero = {"calls": 0, "errors": 0, "failing": 0, "good": 0, "bad": 0}
    return CanaryFigures(SINCE, 10, Arm(2, **{**zero, **canary}), Arm(1, **{**zero, **stable}))


def test_a_caller_stays_where_it_is_and_a_larger_share_keeps_who_had_it() -> None:
    users = [f"user-{n}" for n in range(20_000)]
    taken = {
        share: {u for u in users if takes_canary("a", "production", 2, u, share)}
        for share in (1, 10, 50, 99)
    }
    assert taken[1] < taken[10] < taken[50] < taken[99]
    for share, mine in taken.items():
        assert len(mine) / len(users) == pytest.approx(share / 100, abs=0.015)
    again = {u for u in users if takes_canary("a", "production", 3, u, 10)}
    assert len(again & taken[10]) / len(again) == pytest.approx(0.1, abs=0.03)  # drawn anew
    assert not takes_canary("a", "production", 2, "x", 0)
    assert takes_canary("a", "production", 2, "x", 100)


def test_nothing_is_decided_without_figures() -> None:
    decision = decide(figures({}, {}))
    assert (decision.stop, decision.why) == (False, "holds")
    assert decision.good.difference is None
    assert decision.good.p_anytime == decision.errors.p_anytime == 1


def test_a_worse_share_stops_and_a_better_one_never() -> None:
    worse = decide(figures({"good": 5, "bad": 20}, {"good": 90, "bad": 10}))
    assert (worse.stop, worse.why) == (True, "worse")
    assert worse.good.difference == pytest.approx(0.2 - 0.9)
    assert worse.good.difference_ci95 is not None
    assert worse.good.difference_ci95.high < 0
    better = decide(figures({"good": 90, "bad": 10}, {"good": 5, "bad": 20}))
    assert (better.stop, better.why) == (False, "holds")


def test_errors_stop_from_enough_calls_of_several_callers_on() -> None:
    fine = {"calls": 300}
    broken = {"calls": LEAST_CALLS, "errors": LEAST_CALLS, "failing": LEAST_CALLS}
    assert decide(figures(broken, fine)).why == "errors"
    assert not decide(figures({**broken, "calls": 9, "errors": 9}, fine)).stop
    assert not decide(figures({**broken, "failing": 2}, fine)).stop
    assert not decide(figures(broken, {"calls": 300, "errors": 300, "failing": 300})).stop


@pytest.fixture
def started(db: Database) -> Database:
    """The app faq with a canary of release 2 beside release 1, begun an hour ago."""
    with db.session_scope(ACTOR) as session:
        app = make_app(session)
        for number in (1, 2):
            session.add(
                AppRelease(app_id=app.id, number=number, hash=str(number), manifest={}, actor=ACTOR)
            )
        session.flush()
        aliases.promote(session, "faq", 1, "production")
        aliases.promote(session, "faq", 2, "production", canary=10)
        alias = _alias(session)
        alias.canary_since = utcnow() - timedelta(hours=1)
        session.add(alias)
    return db


def _alias(session: Session) -> AppAlias:
    alias = session.get(AppAlias, (need_app(session, "faq").id, "production"))
    assert alias is not None
    return alias


def calls(
    session: Session, count: int, *, canary: bool, rating: str | None = None, **fields: Any
) -> None:
    app = need_app(session, "faq")
    common = {"canary": canary, "release": 2 if canary else 1, **fields}
    make_calls(session, app, count, fields=lambda n: common, rating=rating)


def test_figures_are_those_of_the_alias_since_the_canary_began(started: Database) -> None:
    with started.session_scope(ACTOR) as session:
        app = need_app(session, "faq")
        calls(session, 3, canary=True, rating="good")
        calls(session, 2, canary=True, status=502, state="failed")
        calls(session, 4, canary=False, rating="bad")
        calls(session, 1, canary=False, state="blocked", status=422)
        calls(session, 5, canary=True, alias="staging", rating="bad")
        calls(session, 5, canary=True, release=7, rating="bad")
        make_calls(session, app, 5, until=utcnow() - timedelta(hours=2), rating="bad")
    with started.read_scope() as session:
        found = canary_figures(session, _alias(session))
    assert found is not None
    assert found.percent == 10
    assert found.canary == Arm(2, 5, 2, 2, 3, 0)
    assert found.stable == Arm(1, 5, 0, 0, 0, 4)


def test_a_user_counts_once_by_the_newest_rating(started: Database) -> None:
    with started.session_scope(ACTOR) as session:
        calls(session, 20, canary=True, rating="bad", user="grumpy")
        app = need_app(session, "faq")
        later = {"canary": True, "release": 2, "user": "grumpy", "status": 500}
        make_calls(
            session,
            app,
            1,
            until=utcnow() + timedelta(seconds=5),
            fields=lambda n: later,
            rating="good",
        )
        calls(session, 2, canary=True, status=500, user="broken")
    with started.read_scope() as session:
        found = canary_figures(session, _alias(session))
    assert found is not None
    assert (found.canary.good, found.canary.bad) == (1, 0)
    assert (found.canary.errors, found.canary.failing) == (3, 2)


def test_a_losing_canary_is_ended_with_its_figures(started: Database) -> None:
    with started.session_scope(ACTOR) as session:
        calls(session, 30, canary=True, rating="bad")
        calls(session, 60, canary=False, rating="good")
    with started.session_scope("system:canary") as session:
        (move,) = judge_canaries(session)
    with started.read_scope() as session:
        alias = _alias(session)
        assert (alias.release, alias.canary, alias.percent) == (1, None, 0)
        kept = moves(session, need_app(session, "faq"))[0]
        assert (kept.id, kept.kind, kept.reason, kept.actor) == (
            move.id,
            "canary_stop",
            "worse",
            "system:canary",
        )
        assert kept.evidence is not None
        assert kept.evidence["canary"] == {
            "release": 2,
            "calls": 30,
            "errors": 0,
            "failing": 0,
            "good": 0,
            "bad": 30,
        }
        assert kept.evidence["good"]["difference"] == -1
        assert kept.evidence["good"]["p_anytime"] < 0.05
    with started.session_scope("system:canary") as session:
        assert judge_canaries(session) == []


def test_a_canary_that_holds_goes_on(started: Database) -> None:
    with started.session_scope(ACTOR) as session:
        calls(session, 30, canary=True, rating="good")
        calls(session, 60, canary=False, rating="good")
    with started.session_scope("system:canary") as session:
        assert judge_canaries(session) == []
        assert _alias(session).canary == 2


def test_one_that_was_replaced_meanwhile_is_left_alone(started: Database) -> None:
    """Two processes judge, and a person may be faster than both."""
    with started.session_scope(ACTOR) as session:
        calls(session, 30, canary=True, status=500, state="failed")
        calls(session, 300, canary=False)
    with started.read_scope() as session:
        losing = losing_canaries(session)
    assert [one.decision.why for one in losing] == ["errors"]
    with started.session_scope(ACTOR) as session:
        aliases.rollback(session, "faq")
        aliases.promote(session, "faq", 2, "production", canary=20)
    with started.session_scope("system:canary") as session:
        assert stop_canaries(session, losing) == []
        assert _alias(session).percent == 20


def test_an_old_canary_is_looked_at_less_often(started: Database) -> None:
    with started.session_scope(ACTOR) as session:
        calls(session, 30, canary=True, rating="bad")
        calls(session, 60, canary=False, rating="good")
    with started.read_scope() as session:
        assert len(losing_canaries(session)) == 1
        assert losing_canaries(session) == []  # an hour old: once in 36 seconds
    with started.session_scope(ACTOR) as session:
        alias = _alias(session)
        alias.canary_since = utcnow()
        session.add(alias)
    with started.read_scope() as session:
        assert losing_canaries(session) == []
        app: App = need_app(session, "faq")
    with started.session_scope(ACTOR) as session:
        soon = utcnow() + timedelta(seconds=30)
        for canary, rating, count in ((True, "bad", 30), (False, "good", 60)):
            fields = {"canary": canary, "release": 2 if canary else 1}
            make_calls(
                session,
                app,
                count,
                every=timedelta(0),
                until=soon,
                fields=lambda n, f=fields: f,
                rating=rating,
            )
    with started.read_scope() as session:
        assert len(losing_canaries(session)) == len(losing_canaries(session)) == 1


def test_many_ratings_of_few_users_stop_no_good_canary() -> None:
    """Twenty equal ratings a user; control: counted one by one they stop every other good canary."""
    draw = np.random.default_rng(5)
    by_user, by_rating = 0, 0
    for _ in range(100):
        counts = {True: [0, 0], False: [0, 0]}
        stopped = [False, False]
        for user in range(60):
            canary, good = bool(user % 2), bool(draw.random() < 0.7)
            counts[canary][0 if good else 1] += 1
            for at, times in enumerate((1, 20)):
                arms = [
                    {"good": times * counts[arm][0], "bad": times * counts[arm][1]}
                    for arm in (True, False)
                ]
                stopped[at] |= decide(figures(*arms)).stop
        by_user += stopped[0]
        by_rating += stopped[1]
    assert by_user <= 5
    assert by_rating >= 30
