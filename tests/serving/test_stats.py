"""Figures of an app: the same that plain Python finds, exact in money, on both databases."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import numpy as np
import pytest

from core.database import Database
from core.errors import NotFound
from evalsets.statistics.shares import wilson
from serving import quantiles
from serving.gpu_time import gpu_cost
from serving.stats import app_stats
from serving.timeline import bar_seconds, timeline
from tests.support.calls import call, make_app, make_calls, store

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
COSTS = ("0", "3", "0.000125", "0.1", "12.000000000000000000000000001", "0.123456789123456789")


@pytest.fixture
def made(db: Database) -> list[dict]:
    """300 calls of two releases within an hour; what each of them took."""
    chance = random.Random(3)
    rows = [
        {
            "release": chance.choice((1, 2)),
            "state": chance.choices(
                ("succeeded", "failed", "blocked", "aborted", "pinned"), (80, 8, 4, 4, 4)
            )[0],
            "latency_ms": chance.lognormvariate(6, 1),
            "ttft_ms": chance.choice((None, chance.uniform(10, 90))),
            "input_tokens": chance.choice((None, 7)),
            "cost": Decimal(chance.choice(COSTS)),
            "content": None,
        }
        for _ in range(300)
    ]
    with db.session_scope("test") as session:
        app = make_app(session)
        every = timedelta(seconds=10)
        make_calls(session, app, 300, every=every, until=NOW, fields=lambda n: rows[n])
        make_calls(session, make_app(session, "other"), 5, until=NOW)
        make_calls(session, app, 5, until=NOW - 3 * HOUR)
        make_calls(session, app, 5, until=NOW + HOUR)
    return rows


def read(db: Database, since=NOW - HOUR, until=NOW + timedelta(seconds=1)):
    with db.read_scope() as session:
        return app_stats(session, "faq", since, until)


def test_every_figure_is_what_plain_python_finds(db: Database, made: list[dict]):
    found = read(db)
    assert [one.release for one in found.releases] == [2, 1]
    for stats in (found.whole, *found.releases):
        mine = [row for row in made if stats.release in (None, row["release"])]
        assert stats.calls == len(mine)
        for name, state in (("errors", "failed"), ("blocked", "blocked"), ("pinned", "pinned")):
            assert getattr(stats, name) == sum(row["state"] == state for row in mine)
        with localcontext(prec=80):
            assert stats.cost == stats.priced == sum(row["cost"] for row in mine)
        assert stats.unpriced == 0
        assert stats.input_tokens == sum(row["input_tokens"] or 0 for row in mine)
        assert stats.output_tokens == 5 * len(mine)
        answered = [row for row in mine if row["state"] == "succeeded"]
        for quants, name in ((stats.latency, "latency_ms"), (stats.ttft, "ttft_ms")):
            values = [row[name] for row in answered if row[name] is not None]
            assert quants is not None
            assert not quants.newest
            assert quants.n == len(values)
            wanted = np.quantile(values, [0.5, 0.95, 0.99])
            assert np.allclose([quants.p50, quants.p95, quants.p99], wanted)
        assert (stats.share, stats.share_ci95, stats.cost_per_good) == (None, None, None)


def test_of_too_many_calls_the_newest_are_read(db: Database, made: list[dict], monkeypatch):
    monkeypatch.setattr(quantiles, "MOST_READ", 40)
    monkeypatch.setattr(quantiles, "_PART", 7)
    found = read(db).whole.latency
    newest = [row["latency_ms"] for row in made if row["state"] == "succeeded"][-40:]
    assert found is not None
    assert (found.n, found.newest) == (40, True)
    assert found.p50 == pytest.approx(np.quantile(newest, 0.5))


def test_share_of_good_and_cost_per_good(db: Database):
    with db.session_scope("test") as session:
        app = make_app(session)
        cost = {"cost": Decimal("0.01"), "content": None}
        make_calls(session, app, 8, until=NOW, fields=lambda n: cost, rating="good")
        make_calls(session, app, 2, until=NOW, fields=lambda n: cost, rating="bad")
        make_calls(session, app, 10, until=NOW, fields=lambda n: cost)
    stats = read(db).whole
    assert (stats.good, stats.bad, stats.share) == (8, 2, 0.8)
    assert stats.share_ci95 == wilson(8, 10)
    assert stats.cost == Decimal("0.2")
    assert stats.cost_per_good == Decimal("0.0125")
    with db.session_scope("test") as session:
        free = {"cost": None, "content": None}
        make_calls(session, app, 1, until=NOW, fields=lambda n: free)
    stats = read(db).whole
    assert (stats.cost, stats.unpriced, stats.cost_per_good) == (None, 1, None)
    assert stats.priced == Decimal("0.2")


def test_an_app_without_calls(db: Database):
    with db.session_scope("test") as session:
        make_app(session)
    stats = read(db)
    assert (stats.whole.calls, stats.whole.error_rate, stats.whole.latency) == (0, None, None)
    assert stats.whole.cost == Decimal(0)
    assert stats.releases == []
    with db.read_scope() as session, pytest.raises(NotFound):
        app_stats(session, "nobody", NOW - HOUR, NOW)


def test_bars_over_time(db: Database, made: list[dict]):
    with db.read_scope() as session:
        bars = timeline(session, "faq", NOW - HOUR, NOW + timedelta(seconds=1))
    assert sum(bar.calls for bar in bars) == 300
    assert sum(bar.errors for bar in bars) == sum(row["state"] == "failed" for row in made)
    assert {bar.seconds for bar in bars} == {120}
    assert bars[0].at == NOW - HOUR
    assert bars[0].calls == 0
    assert bars[-1].at == NOW
    assert {bar.calls for bar in bars[6:-1]} == {12}


@pytest.mark.parametrize(
    ("span", "width"),
    [(1, 60), (3600, 120), (86_400, 1800), (30 * 86_400, 86_400), (1e11, 364 * 86_400)],
)
def test_a_chart_has_few_bars(span: float, width: int):
    assert bar_seconds(span) == width


def test_own_gpus_cost_by_the_hour(db: Database):
    def at(second: float, latency: float, **fields):
        return {
            "at": NOW - HOUR + timedelta(seconds=second),
            "latency_ms": latency * 1000,
            **fields,
        }

    spans = [
        at(0, 10), at(5, 10), at(6, 2, cost=Decimal("0.00")), at(60, 30, state="failed"),  # busy 0–15 and 60–90
        at(300, 100, cost=Decimal("0.5")), at(400, 50, state="pinned", model=None),
    ]  # fmt: skip
    with db.session_scope("test") as session:
        app = make_app(session, gpu_hour_usd=Decimal("3.6"))
        records = [call(app, one.pop("at"), content=None, **{"cost": None, **one}) for one in spans]
        store(session, records, rating="good")
        make_app(session, "other")
        stats = app_stats(session, "faq", NOW - HOUR, NOW)
        assert stats.whole.cost is None
        found = gpu_cost(session, "faq", stats)
        assert gpu_cost(session, "other", app_stats(session, "other", NOW - HOUR, NOW)) is None
    assert found is not None
    assert found.busy_seconds == pytest.approx(45, abs=0.01)
    assert found.busy_usd == pytest.approx(Decimal("0.045"), abs=Decimal("0.0001"))
    assert found.busy_usd + found.idle_usd == Decimal("3.6")
    assert found.cost == found.busy_usd + Decimal("0.5")
    assert found.cost_per_good == found.cost / 5  # of six calls five were answered
