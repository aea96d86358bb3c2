"""Limits of keys: exact in one process and over several, kept over restarts and kills."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, text
from sqlmodel import select

from core.clock import utcnow
from core.database import Database
from core.errors import QuotaExhausted, RateLimited, Unauthorized, Unavailable, http_status
from serving.allotments import decide, portion
from serving.key_forms import KeyCreate
from serving.keys import LiveKey, create_key, list_keys, load_keys
from serving.meters import Admission, Meters
from serving.models import ApiKey, App, KeyUse, StreamLease

NOON = 20_000 * 86_400 + 12 * 3600


class Clock:
    """Seconds since 1970 that stand still until they are moved."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def a_key(db: Database, name: str = "web", **limits) -> LiveKey:
    with db.session_scope("system") as session:
        if session.exec(select(App)).first() is None:
            session.add(App(name="faq", settings={}, actor="system"))
            session.flush()
        create_key(session, KeyCreate(name=name, apps=("faq",), **limits))
    with db.read_scope() as session:
        return next(key for key in load_keys(session).values() if key.name == name)


@asynccontextmanager
async def opened(db: Database, clock: Callable[[], float] | None = None) -> AsyncIterator[Meters]:
    meters = Meters(db, clock=clock or Clock())
    try:
        yield meters
    finally:
        await meters.close()


@asynccontextmanager
async def another(db: Database, clock: Callable[[], float] | None = None) -> AsyncIterator[Meters]:
    """The meters of a process of their own: another pool, another lock file's descriptor."""
    own = Database(db.settings)
    async with opened(own, clock) as meters:
        yield meters
    own.close()


async def ask(meters: Meters, key: LiveKey, tokens: int = 1, cost: int = 0, stream: bool = False):
    """The admission, or why there is none."""
    try:
        return await meters.admit(key, tokens=tokens, cost_nano=cost, stream=stream)
    except (RateLimited, Unavailable, Unauthorized) as error:
        return error


async def many(meters: Meters, key: LiveKey, n: int, **needs) -> list[Admission]:
    found = await asyncio.gather(*(ask(meters, key, **needs) for _ in range(n)))
    return [one for one in found if isinstance(one, Admission)]


async def until(check: Callable[[], bool], seconds: float = 5.0) -> float:
    """Seconds until `check` holds."""
    start = time.monotonic()
    while not check():
        assert time.monotonic() - start < seconds
        await asyncio.sleep(0.02)
    return time.monotonic() - start


def granted(db: Database, meter: str) -> int:
    with db.read_scope() as session:
        return sum(session.exec(select(KeyUse.granted).where(KeyUse.meter == meter)))


async def test_of_200_at_once_exactly_50_pass(db: Database) -> None:
    key, clock = a_key(db, rpm=50), Clock()
    commits: list[object] = []
    event.listen(db.engine, "commit", commits.append)
    async with opened(db, clock) as meters:
        passed = await many(meters, key, 200)
        assert len(passed) == 50
        assert len(commits) <= 3  # those who wait share a transaction
        assert await many(meters, key, 20) == []
        clock.now += 60
        assert len(await many(meters, key, 200)) == 50
    assert granted(db, "requests") == 100


async def test_one_after_the_other_exactly_50_pass(sqlite_db: Database) -> None:
    key = a_key(sqlite_db, rpm=50)
    async with opened(sqlite_db) as meters:
        answers = [await ask(meters, key) for _ in range(60)]
    assert [isinstance(one, Admission) for one in answers] == [True] * 50 + [False] * 10


async def test_without_the_tables_two_processes_would_let_100_pass(db: Database) -> None:
    one, two = a_key(db, "one", rpm=50), a_key(db, "two", rpm=50)
    async with opened(db) as first, another(db) as second:
        assert len(await many(first, one, 100)) + len(await many(second, two, 100)) == 100


async def test_two_processes_share_a_limit(db: Database) -> None:
    key = a_key(db, rpm=50)
    async with opened(db) as first, another(db) as second:
        found = await asyncio.gather(*(many(m, key, 100) for m in (first, second)))
    assert sum(map(len, found)) == 50


@pytest.mark.parametrize("limit", [1, 7, 50, 1500])
async def test_three_processes_never_pass_a_limit_together(sqlite_db: Database, limit: int) -> None:
    key = a_key(sqlite_db, rpm=limit)

    async def ticking(meters: Meters, rest: float) -> int:
        count = 0
        for _ in range(limit // 5 + 2):
            count += len(await many(meters, key, 10))
            await asyncio.sleep(rest)
        return count

    async with opened(sqlite_db) as a, another(sqlite_db) as b, another(sqlite_db) as c:
        found = await asyncio.gather(ticking(a, 0), ticking(b, 0), ticking(c, 0.0005))
    assert sum(found) == limit


async def test_a_restart_keeps_the_counts(db: Database) -> None:
    key = a_key(db, rpm=50, budget_day=Decimal(1))
    async with opened(db) as meters:
        assert len(await many(meters, key, 30, cost=10_000_000)) == 30
    async with another(db) as meters:
        assert len(await many(meters, key, 30, cost=10_000_000)) == 20
    assert granted(db, "cost") == 500_000_000


KILLED = """
import asyncio, os, sys
from core.database import Database
from core.settings import Settings
from serving.keys import load_keys
from serving.meters import Meters
async def main():
    database = Database(Settings(data_dir=sys.argv[1], database_url=None))
    with database.read_scope() as session:
        (key,) = load_keys(session).values()
    meters = Meters(database, clock=lambda: float(sys.argv[2]))
    for _ in range(2):
        await meters.admit(key, tokens=100, cost_nano=100_000_000, stream=True)
    os._exit(9)
asyncio.run(main())
"""


async def test_what_a_killed_process_held_is_spent_and_its_streams_are_free(
    sqlite_db: Database,
) -> None:
    key = a_key(sqlite_db, rpm=10, tpm=10_000, streams=2, budget_day=Decimal(1))
    command = [sys.executable, "-c", KILLED, str(sqlite_db.settings.data), str(NOON)]
    child = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    assert (await child.communicate())[1] == b""
    assert child.returncode == 9
    assert 200_000_000 <= granted(sqlite_db, "cost") <= 400_000_000
    assert granted(sqlite_db, "requests") == 2
    async with opened(sqlite_db) as meters:
        refused = await ask(meters, key, stream=True)
        assert isinstance(refused, RateLimited)
        assert "2 streams at once" in refused.message
        with sqlite_db.session_scope("system") as session:
            for lease in session.exec(select(StreamLease)):
                left = (lease.until - utcnow()).total_seconds()
                assert 0 < left <= 15
                lease.until = utcnow() - timedelta(seconds=1)  # instead of waiting for it
        await asyncio.sleep(0.3)
        assert len(await many(meters, key, 8, stream=True)) == 2
        assert len(await many(meters, key, 8)) == 6  # of 10 requests a minute


async def test_tokens_are_settled_by_what_was_used(db: Database) -> None:
    key = a_key(db, tpm=1000)
    async with opened(db) as meters:
        passed = await many(meters, key, 5, tokens=400)
        assert len(passed) == 2
        meters.settle(passed[0], tokens=100, cost_nano=0)
        meters.settle(passed[0], tokens=0, cost_nano=0)  # a second time does nothing
        again = await ask(meters, key, tokens=500)
        assert isinstance(again, Admission)
        assert isinstance(await ask(meters, key, tokens=1), RateLimited)
        meters.settle(again, tokens=1500, cost_nano=0)
        await until(lambda: granted(db, "tokens") == 2000)
    async with another(db) as meters:
        assert isinstance(await ask(meters, key, tokens=1), RateLimited)


async def test_a_budget_is_never_exceeded_by_estimates(db: Database) -> None:
    key = a_key(db, budget_day=Decimal("0.01"))  # 10,000,000
    async with opened(db) as first, another(db) as second:
        found = await asyncio.gather(*(many(m, key, 60, cost=99_999) for m in (first, second)))
        passed = [one for part in found for one in part]
        assert len(passed) == 100
        for one in found[0]:
            first.settle(one, tokens=1, cost_nano=9_999)
        for one in found[1]:
            second.settle(one, tokens=1, cost_nano=9_999)
        await until(lambda: granted(db, "cost") == 999_900)
        assert len(await many(first, key, 40, cost=99_999)) == 40
        with db.read_scope() as session:
            assert list_keys(session)[0].used_today == 0  # of another day than the clock's


async def test_the_refusal_of_a_budget_is_openais_quota_until_the_next_day(db: Database) -> None:
    key, clock = a_key(db, budget_day=Decimal("0.5"), rpm=100), Clock()
    async with opened(db, clock) as meters:
        passed = await ask(meters, key, cost=400_000_000)
        refused = await ask(meters, key, cost=200_000_000)
        assert isinstance(refused, QuotaExhausted)
        assert http_status(refused) == (429, "insufficient_quota")
        assert (refused.code, refused.retry_after) == ("insufficient_quota", 12 * 3600)
        assert "$0.5" in refused.message
        clock.now += 12 * 3600
        assert isinstance(await ask(meters, key, cost=200_000_000), Admission)
        assert isinstance(passed, Admission)
        meters.settle(passed, tokens=1, cost_nano=100_000_000)  # belongs to the day before
        await until(lambda: granted(db, "cost") == 300_000_000)


async def test_an_idle_allotment_goes_back_within_a_second(db: Database) -> None:
    key = a_key(db, budget_day=Decimal(8))
    async with opened(db) as meters:
        await ask(meters, key, cost=1000)
        assert granted(db, "cost") == 1_000_000_000
        took = await until(lambda: granted(db, "cost") == 1000)
        assert took < 1.5
        assert isinstance(await ask(meters, key, cost=1000), Admission)


async def test_streams_are_counted_while_they_are_open_over_two_processes(db: Database) -> None:
    key = a_key(db, streams=5)
    async with opened(db) as first, another(db) as second:
        found = await asyncio.gather(*(many(m, key, 10, stream=True) for m in (first, second)))
        assert sum(map(len, found)) == 5
        assert len(await many(first, key, 3)) == 3  # no streams
        mine = await many(first, key, 5, stream=True)
        assert mine == []
        for meters, admissions in zip((first, second), found, strict=True):
            for one in admissions:
                meters.settle(one, tokens=1, cost_nano=0)
        await asyncio.sleep(1.0)
        assert len(await many(second, key, 10, stream=True)) == 5
    with db.read_scope() as session:
        assert session.exec(select(StreamLease)).all() == []


async def test_a_stream_that_follows_another_needs_no_transaction(sqlite_db: Database) -> None:
    key = a_key(sqlite_db, streams=1)
    commits: list[object] = []
    async with opened(sqlite_db) as meters:
        (one,) = await many(meters, key, 1, stream=True)
        event.listen(sqlite_db.engine, "commit", commits.append)
        for _ in range(100):
            meters.settle(one, tokens=1, cost_nano=0)
            (one,) = await many(meters, key, 1, stream=True)
        assert len(commits) <= 1


async def test_a_lease_is_renewed_while_a_stream_is_open(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.key_meters.RENEW_SECONDS", 0.2)
    key = a_key(sqlite_db, streams=1)

    def ends() -> list:
        with sqlite_db.read_scope() as session:
            return list(session.exec(select(StreamLease.until)))

    async with opened(sqlite_db) as meters:
        await many(meters, key, 1, stream=True)
        (before,) = ends()
        await until(lambda: ends()[0] > before)


async def test_a_key_without_limits_never_waits(sqlite_db: Database) -> None:
    key = a_key(sqlite_db)
    async with opened(sqlite_db) as meters:
        started = meters.admit(key, tokens=10**9, cost_nano=10**12, stream=True)
        with pytest.raises(StopIteration) as done:
            started.send(None)  # a suspended coroutine would not end here
        assert done.value.value.headers() == []
        best = min([await spent(meters, key) for _ in range(5)])
    print(f"admit without limits: {best * 1e6:.2f} µs")
    assert best < 10e-6


async def spent(meters: Meters, key: LiveKey, n: int = 2000) -> float:
    start = time.process_time()
    for _ in range(n):
        await meters.admit(key, tokens=10, cost_nano=10, stream=False)
    return (time.process_time() - start) / n


async def test_headers_tell_of_the_limits_there_are(sqlite_db: Database) -> None:
    key, clock = a_key(sqlite_db, rpm=10, tpm=5000, streams=3), Clock(NOON + 48.5)
    async with opened(sqlite_db, clock) as meters:
        passed = await ask(meters, key, tokens=1200)
        assert isinstance(passed, Admission)
        assert {name.decode(): value.decode() for name, value in passed.headers()} == {
            "x-ratelimit-limit-requests": "10",
            "x-ratelimit-remaining-requests": "9",
            "x-ratelimit-reset-requests": "12s",
            "x-ratelimit-limit-tokens": "5000",
            "x-ratelimit-remaining-tokens": "3800",
            "x-ratelimit-reset-tokens": "12s",
        }
        refused = await ask(meters, key, tokens=4000)
        assert isinstance(refused, RateLimited)
        assert (refused.code, refused.retry_after) == ("rate_limit_exceeded", 12)
        assert (b"x-ratelimit-remaining-requests", b"9") in refused.headers
        assert "in 12 s" in refused.message
        too_large = await ask(meters, key, tokens=5001)
        assert isinstance(too_large, RateLimited)
        assert "5,001 tokens" in too_large.message


async def test_what_was_spent_and_when_a_key_was_used_is_known(db: Database) -> None:
    free, bounded = a_key(db, "free"), a_key(db, "bounded", budget_day=Decimal(9))
    async with opened(db, time.time) as meters:
        for key in (free, bounded):
            admission = await ask(meters, key, cost=5_000_000_000)
            assert isinstance(admission, Admission)
            meters.settle(admission, tokens=7, cost_nano=1_250_000_000)
    with db.read_scope() as session:
        found = {key.name: key for key in list_keys(session)}
    for key in found.values():
        assert key.used_today == Decimal("1.25")
        assert key.last_used_at is not None
        assert (utcnow() - key.last_used_at).total_seconds() < 60


async def test_a_caller_that_leaves_takes_nothing(sqlite_db: Database) -> None:
    key = a_key(sqlite_db, rpm=10, streams=2)
    async with opened(sqlite_db) as meters:
        for delay in (0, 0, 0.001, 0.002, 0.005, 0.01):
            tasks = [asyncio.create_task(ask(meters, key, stream=True)) for _ in range(2)]
            await asyncio.sleep(delay)
            for task in tasks:
                if not task.cancel():
                    found = task.result()
                    assert isinstance(found, Admission)
                    meters.settle(found, tokens=1, cost_nano=0)
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.6)
        assert len(await many(meters, key, 5, stream=True)) == 2


async def test_old_minutes_are_cleared_away(sqlite_db: Database) -> None:
    key, clock = a_key(sqlite_db, rpm=10), Clock()
    async with opened(sqlite_db, clock) as meters:
        for _ in range(10):
            await ask(meters, key)
            clock.now += 60
    with sqlite_db.read_scope() as session:
        assert len(session.exec(select(KeyUse)).all()) == 2


async def test_limits_that_change_hold_at_once(sqlite_db: Database) -> None:
    key = a_key(sqlite_db, rpm=3)
    async with opened(sqlite_db) as meters:
        assert len(await many(meters, key, 5)) == 3
        with sqlite_db.session_scope("system") as session:
            row = session.get(ApiKey, key.id)
            assert row is not None
            row.rpm, row.tpm = 5, 100
        with sqlite_db.read_scope() as session:
            (changed,) = load_keys(session).values()
        await asyncio.sleep(0.25)
        assert len(await many(meters, changed, 5)) == 2


async def test_limits_that_cannot_be_checked_refuse(sqlite_db: Database) -> None:
    key = a_key(sqlite_db, rpm=3)
    async with opened(sqlite_db) as meters:
        with sqlite_db.exclusive_connection() as connection:
            connection.execute(text("ALTER TABLE key_uses RENAME TO away"))
        refused = await ask(meters, key)
        assert isinstance(refused, Unavailable)
        assert not isinstance(refused, RateLimited)
        with sqlite_db.exclusive_connection() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO key_uses"))
        assert len(await many(meters, key, 5)) == 3
        stranger = await ask(meters, LiveKey(**{**_fields(key), "id": "nobody"}))
        assert isinstance(stranger, Unauthorized)
        assert len(await many(meters, key, 5)) == 0


def _fields(key: LiveKey) -> dict:
    return {name: getattr(key, name) for name in LiveKey.__slots__}


def test_first_come_first_served_and_a_refused_one_takes_nothing() -> None:
    found = decide([10, 3], [(4, 1), (8, 1), (6, 1), (0, 1), (0, 0), (0, 1)])
    assert found.short == (None, 0, None, None, None, 1)
    assert found.spent == (10, 3)
    assert decide([-5], [(0,), (1,)]).short == (None, 0)  # what costs nothing passes


def test_portions_shrink_and_never_pass_what_is_left() -> None:
    assert portion(0, 10**6) == 0
    assert portion(-3, 10**6) == 0
    assert portion(1, 8000) == 1000
    assert portion(5000, 8000) == 5000
    assert portion(1, 999) == 1
    assert portion(7, -5) == 7  # a debt is paid whatever is left
    left, parts = 100_000, []
    while left:
        parts.append(portion(1, left))
        left -= parts[-1]
        assert left >= 0
    assert parts == sorted(parts, reverse=True)
