"""Alerts: figures over a window, told once, kept when no address takes them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import Session, select

from connectors.access import allow
from connectors.address import RefusedAddress
from core.database import Database
from serving import alerts
from serving.alert_addresses import refuse_addresses
from serving.alert_figures import measured
from serving.alert_rule import GRACE, Measured, Window, alert_key, breached, windows
from serving.alerts import claim, due_alerts, tell_due, told_alerts
from serving.lookup import need_app
from serving.models import AlertState, App, Feedback
from serving.service import save_operations
from serving.settings import Alert, Operations
from tests.connectors.test_address import canary
from tests.connectors.test_webhook import hook
from tests.support.calls import make_app, make_calls

ACTOR = "user:test"
NOW = datetime(2026, 11, 20, 10, 7, tzinfo=UTC)
PUBLIC = "https://hooks.example/a"


def alert(figure: Any = "error_rate", bound: float = 0.1, **fields: Any) -> Alert:
    return Alert(figure=figure, bound=bound, **{"url": PUBLIC, "least": 5, **fields})


def test_windows_are_whole_ones_since_1970_and_a_cost_has_the_day() -> None:
    (running,) = windows(alert(), NOW)
    assert (running.start, running.end) == (NOW.replace(minute=0), NOW.replace(minute=15))
    (day,) = windows(alert("cost_day_usd", window_minutes=1), NOW)
    assert (day.start, day.end - day.start) == (NOW.replace(hour=0, minute=0), timedelta(days=1))


def test_a_window_that_has_just_ended_is_still_looked_at() -> None:
    begun = NOW.replace(minute=15)
    before, running = windows(alert(), begun + GRACE)
    assert (before.number + 1, before.end) == (running.number, running.start)
    assert len(windows(alert(), begun + GRACE + timedelta(seconds=1))) == 1


@pytest.mark.parametrize(
    ("figure", "value", "n", "due"),
    [
        ("error_rate", 0.2, 5, True),
        ("error_rate", 0.1, 50, False),
        ("error_rate", 1.0, 4, False),
        ("latency_p95_ms", 0.2, 5, True),
        ("latency_p95_ms", 0.2, 4, False),
        ("cost_day_usd", 0.2, 1, True),
        ("share_good", 0.05, 5, True),
        ("share_good", 0.1, 5, False),
        ("share_good", 0.0, 4, False),
        ("share_good", None, 0, False),
    ],
)
def test_bounds(figure: str, value: float | None, n: int, due: bool) -> None:
    assert breached(alert(figure), Measured(value, n)) is due


@pytest.fixture
def app(db: Database) -> Database:
    with db.session_scope(ACTOR) as session:
        make_app(session)
    return db


def calls(
    session: Session, count: int, at: datetime, rating: str | None = None, **fields: Any
) -> None:
    make_calls(session, need_app(session, "faq"), count, until=at, every=timedelta(seconds=1), fields=lambda n: {**fields, **({"latency_ms": float(n)} if "latency_ms" not in fields else {})}, rating=rating)  # fmt: skip


def test_figures_are_those_of_the_window(app: Database) -> None:
    inside, outside = NOW - timedelta(minutes=1), NOW - timedelta(minutes=30)
    with app.session_scope(ACTOR) as session:
        calls(session, 21, inside, cost=Decimal("0.1"))
        calls(session, 7, inside, status=500, state="failed", cost=None, latency_ms=9000.0)
        calls(session, 9, outside, status=500, state="failed", cost=Decimal(1), latency_ms=9000.0)
        calls(session, 1, NOW - timedelta(days=1), cost=Decimal(50))
        other = make_app(session, "other")
        make_calls(session, other, 50, until=inside)
        mine = need_app(session, "faq").id
        said = [
            ("a", "bad", 60),
            ("a", "good", 50),
            ("b", "bad", 40),
            ("c", None, 30),
            ("d", "good", 2000),
        ]
        for trace_id, rating, ago in said:
            at = NOW - timedelta(seconds=ago)
            session.add(Feedback(trace_id=trace_id, app_id=mine, rating=rating, actor=ACTOR, at=at))

    def figure(name: Any) -> Measured:
        one = alert(name)
        with app.read_scope() as session:
            return measured(session, need_app(session, "faq").id, one, windows(one, NOW)[-1])

    assert figure("error_rate") == Measured(7 / 28, 28)
    assert figure("latency_p95_ms") == Measured(19.0, 21)
    assert figure("cost_day_usd") == Measured(pytest.approx(11.1), 30)
    assert figure("share_good") == Measured(0.5, 2)
    empty = Window(0, NOW + timedelta(days=9), NOW + timedelta(days=10))
    for name in ("error_rate", "latency_p95_ms", "cost_day_usd", "share_good"):
        with app.read_scope() as session:
            assert measured(session, "nobody", alert(name), empty) == Measured(None, 0)


def watch(session: Session, *watched: Alert) -> App:
    app = need_app(session, "faq")
    app.operations = Operations(alerts=watched).model_dump(mode="json")
    session.add(app)
    session.flush()
    return app


def failing(session: Session, at: datetime = NOW) -> None:
    calls(session, 10, at, status=502, state="failed")


def test_an_alert_is_told_once_a_window_whoever_asks(app: Database) -> None:
    with app.session_scope(ACTOR) as session:
        watch(session, alert(), alert(bound=0.2), alert("share_good"))
        failing(session)
    with app.read_scope() as session:
        due = due_alerts(session, NOW)
    assert [(one.app, one.value, one.n, one.alert.bound) for one in due] == [
        ("faq", 1.0, 10, 0.1),
        ("faq", 1.0, 10, 0.2),
    ]
    with app.session_scope(ACTOR) as session:
        assert [claim(session, one) for one in due] == [True, True]
    with app.session_scope(ACTOR) as session:
        assert [claim(session, one) for one in due] == [False, False]  # another process saw it, too
    with app.read_scope() as session:
        assert due_alerts(session, NOW) == []
        later = NOW + timedelta(minutes=15)
        assert due_alerts(session, later) == []
    with app.session_scope(ACTOR) as session:
        failing(session, later)
        assert len(due_alerts(session, later)) == 2


def test_a_removed_alert_is_not_told_and_leaves_no_state(app: Database) -> None:
    with app.session_scope(ACTOR) as session:
        watch(session, alert(), alert(bound=0.2))
        failing(session)
        first, second = due_alerts(session, NOW)
        assert claim(session, first)
        watch(session, alert(bound=0.2))
        assert not claim(session, first)
        assert claim(session, second)
        assert [row.alert for row in session.exec(select(AlertState))] == [alert_key(second.alert)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "PAUSES", (0.01, 0.01))


def local(db: Database, port: int, *, allowed: bool = True) -> str:
    url = f"http://127.0.0.1:{port}/hook?k=v"
    with db.session_scope(ACTOR) as session:
        if allowed:
            allow(session, f"http://127.0.0.1:{port}", allow_local=True)
        watch(session, alert(url=url))
        failing(session)
    return url


async def test_a_webhook_is_told_what_and_where_and_nothing_else(
    app: Database, quick: None
) -> None:
    async with hook(200) as (port, seen):
        await asyncio.to_thread(local, app, port)
        due = await tell_due(app, NOW)
        assert len(due) == 1
        assert await tell_due(app, NOW) == []
    ((_, headers, body),) = seen
    assert "Authorization" not in headers
    assert json.loads(body) == {
        "app": "faq",
        "figure": "error_rate",
        "value": 1.0,
        "bound": 0.1,
        "n": 10,
        "window": {"start": "2026-11-20T10:00:00+00:00", "end": "2026-11-20T10:15:00+00:00"},
        "link": "/apps?id=faq&tab=alerts",
        "text": "faq: error_rate is 1, above 0.1 (n = 10) since 2026-11-20 10:00 UTC",
    }
    with app.read_scope() as session:
        (told,) = told_alerts(session, need_app(session, "faq"))
    assert (told.delivered, told.value, told.start) == (True, 1.0, NOW.replace(minute=0))


@pytest.mark.parametrize(
    ("statuses", "tries", "delivered"),
    [((500, 429, 200), 3, True), ((500, 500, 500, 200), 3, False), ((404, 200), 1, False)],
)
async def test_three_tries_and_then_it_is_kept(
    app: Database, quick: None, statuses: tuple[int, ...], tries: int, delivered: bool
) -> None:
    async with hook(*statuses) as (port, seen):
        await asyncio.to_thread(local, app, port)
        await tell_due(app, NOW)
        assert await tell_due(app, NOW) == []
    assert len(seen) == tries
    with app.read_scope() as session:
        (told,) = told_alerts(session, need_app(session, "faq"))
    assert told.delivered is delivered


async def test_an_address_that_is_not_allowed_is_never_connected_to(
    app: Database, quick: None
) -> None:
    async with canary() as (port, seen):
        await asyncio.to_thread(local, app, port, allowed=False)
        assert len(await tell_due(app, NOW)) == 1
        assert seen == []
    with app.read_scope() as session:
        (told,) = told_alerts(session, need_app(session, "faq"))
    assert not told.delivered


def test_addresses_are_refused_when_they_are_entered(app: Database) -> None:
    good = Operations(alerts=(alert(url="https://hooks.example/x?y=z"),))
    with app.session_scope(ACTOR) as session:
        refuse_addresses(session, good)
        for url in (
            "http://127.0.0.1:9/",
            "http://localhost:9/",
            "http://169.254.169.254/",
            "nonsense",
        ):
            with pytest.raises(RefusedAddress):
                refuse_addresses(session, Operations(alerts=(alert(url=url),)))
        with pytest.raises(RefusedAddress):
            save_operations(session, "faq", Operations(alerts=(alert(url="http://10.0.0.1/"),)))
        allow(session, "http://127.0.0.1:9", allow_local=True)
        refuse_addresses(session, Operations(alerts=(alert(url="http://127.0.0.1:9/?a"),)))


def test_an_app_that_is_gone_is_told_to_nobody(app: Database) -> None:
    with app.session_scope(ACTOR) as session:
        watch(session, alert())
        failing(session)
        (due,) = due_alerts(session, NOW)
        session.delete(need_app(session, "faq"))
        session.flush()
        assert not claim(session, due)
