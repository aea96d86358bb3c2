"""A real server under load is killed, or told to end: what is lost, what is kept, what it takes."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import func
from sqlmodel import col, select

from app.opening import check_integrity, open_database
from core.database import Database
from core.settings import Settings
from serving.models import Trace, TraceContent
from tests.support.apps_server import Answered, AppsServer, beside
from tests.support.depth import DEEP
from tests.support.endpoints import until
from tests.support.serving import Up, alive, start
from tests.support.witness import Witness

SECONDS = 8.0 if DEEP else 1.5
WORKERS = 12
GROUP = 0.15
COMMIT = 0.25 if DEEP else 2.0
"""What the commit of a group may take on cores that others use, too."""


@dataclass(frozen=True)
class Done:
    """A call whose answer a client has whole, and when."""

    request_id: str
    at: float


@dataclass
class Load:
    """Clients that ask again as soon as they are answered; every other one streams."""

    port: int
    key: str
    done: list[Done] = field(default_factory=list)
    broken: int = 0
    odd: list[str] = field(default_factory=list)
    ending: bool = False

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.ending = True
        self.thread.join(30)
        assert not self.thread.is_alive()

    async def _all(self) -> None:
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(self._one(session, number) for number in range(WORKERS)))

    async def _one(self, session: aiohttp.ClientSession, number: int) -> None:
        url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        turns = [{"role": "user", "content": f"one two three {number}"}]
        body = {"model": "slow", "messages": turns, "stream": bool(number % 2)}
        headers = {"authorization": f"Bearer {self.key}"}
        while not self.ending:
            try:
                async with session.post(url, json=body, headers=headers) as answer:
                    said = await answer.read()
            except (aiohttp.ClientError, OSError):
                self.broken += 1
                await asyncio.sleep(0.02)
                continue
            whole = said.endswith(b"data: [DONE]\n\n") if number % 2 else b'"usage"' in said
            if answer.status == 200 and whole:
                self.done.append(Done(answer.headers["x-request-id"], time.monotonic()))
            elif answer.status != 503:
                self.odd.append(f"{answer.status} {said[:200]!r}")


@dataclass
class Served:
    """A data folder with its server of now."""

    data: Path
    database: Database
    up: Up
    api: AppsServer

    def again(self) -> None:
        key = self.api.key
        self.up = start(self.data)
        self.api = beside(self.up.port, self.database)
        self.api.key = key


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, upstream: Witness) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("kill") / "data"
    database = open_database(Settings(data_dir=data, database_url=None))
    up = start(data)
    api = beside(up.port, database)
    for name, behaviour in (("slow", "slow-50"), ("hang", "hang"), ("stall", "stall")):
        api.model(name, upstream.base_url, behaviour, input_price="1", output_price="2")
        api.app(name, model=name)
    api.key = api.new_key("all", "slow", "hang", "stall")
    made = Served(data, database, up, api)
    until(lambda: api.call("/v1/models", method="GET").status == 200, 5)
    yield made
    if made.up.process.poll() is None:
        made.up.stop(signal.SIGKILL)
    database.close()


def _traces(database: Database) -> set[str]:
    with database.read_scope() as session:
        return set(session.exec(select(Trace.id)))


def _asked(api: AppsServer, key: str) -> Answered:
    return api.call("/apps/slow/invoke", {"messages": [{"role": "user", "content": "x"}]}, key=key)


def _used_up(api: AppsServer, key: str) -> Decimal:
    """Spend the day's budget of a key; what it came to."""
    spent = Decimal(0)
    for _ in range(100):
        answer = _asked(api, key)
        if answer.status == 429:
            return spent
        spent += Decimal(answer.json["cost_usd"])
    raise AssertionError("the budget has no end")


def test_a_killed_server_loses_one_group_of_traces_and_nothing_else(
    served: Served, upstream: Witness
) -> None:
    poor = served.api.new_key("poor", "slow", budget_day=Decimal("0.00058"))
    until(lambda: served.api.call("/v1/models", method="GET", key=poor).status == 200, 5)
    assert _used_up(served.api, poor) > 0, "the control: there was a budget"
    load = Load(served.up.port, served.api.key)
    time.sleep(SECONDS)
    children = served.up.children()
    killed = time.monotonic()
    served.up.stop(signal.SIGKILL)
    load.end()
    until(lambda: alive(children) == [], 10, "a child outlived its parent")
    before = [one for one in load.done if one.at <= killed]
    kept = _traces(served.database)
    lost = [one for one in before if one.request_id not in kept]
    assert len(before) > 5 * SECONDS, "the control: it was under load"
    assert load.broken, "the control: it was killed in the midst"
    assert not load.odd, load.odd[:3]
    assert all(killed - one.at < GROUP + COMMIT for one in lost), [killed - one.at for one in lost]
    rate = len(before) / SECONDS
    print(f"{len(before)} answers, {len(lost)} traces lost of {rate * GROUP:.0f} in a group")
    check_integrity(served.database)
    with served.database.read_scope() as session:
        contents = set(session.exec(select(TraceContent.id)))
        states = session.exec(select(Trace.state, func.count()).group_by(Trace.state)).all()
    assert contents == kept, "a call and what was said in it are kept together"
    assert {state for state, _ in states} == {"succeeded"}
    served.again()
    answer = _asked(served.api, poor)
    assert (answer.status, answer.error["code"]) == (429, "insufficient_quota"), "limits are kept"
    assert served.api.chat("slow").status == 200


def test_a_server_that_is_told_to_end_loses_nothing(served: Served, upstream: Witness) -> None:
    """And the tokens of its traces are what the model counted."""
    if served.up.process.poll() is not None:
        served.again()
    assert served.api.chat("slow").status == 200
    time.sleep(0.5)
    earlier = _traces(served.database)
    until(lambda: upstream.counts().in_flight == 0, 5)
    upstream.reset()
    load = Load(served.up.port, served.api.key)
    held: list[Answered] = []
    if DEEP:
        threading.Thread(target=lambda: held.extend(_held(served.api)), daemon=True).start()
    time.sleep(SECONDS)
    children = served.up.children()
    began = time.monotonic()
    until(lambda: upstream.counts("slow-50").in_flight > 0, 3, "the control: calls are under way")
    status = served.up.stop(signal.SIGTERM, 20)
    took = time.monotonic() - began
    load.end()
    assert status == 0
    assert took < (12 if DEEP else 15)
    assert alive(children) == []
    last = max(one.at for one in load.done)
    assert last - began < (10 if DEEP else 13)
    assert not load.odd, load.odd[:3]
    kept = _traces(served.database) - earlier
    assert {one.request_id for one in load.done} <= kept, "none is lost"
    with served.database.read_scope() as session:
        mine = col(Trace.id).in_(kept)
        rows = session.exec(select(Trace).where(mine, Trace.app == "slow")).all()
        others = session.exec(select(Trace).where(mine, Trace.app != "slow")).all()
    assert {row.state for row in rows} == {"succeeded"}
    counted = upstream.counts("slow-50")
    assert counted.answered == len(rows)
    assert sum(row.input_tokens or 0 for row in rows) == counted.input_tokens
    assert sum(row.output_tokens or 0 for row in rows) == counted.output_tokens
    print(f"{len(rows)} calls, ended after {took:.1f} s")
    if DEEP:
        assert {(row.status, row.state) for row in others} == {(503, "aborted")}
        whole, stream = held
        assert (whole.status, whole.error["code"]) == (503, "server_stopped")
        assert b"then nothing" in stream.body
        assert b"server_stopped" in stream.body
        assert b"[DONE]" not in stream.body


def _held(api: AppsServer) -> Iterator[Answered]:
    """What calls are told that would not have ended by themselves."""
    turns = {"messages": [{"role": "user", "content": "x"}]}
    with ThreadPoolExecutor(2) as pool:
        whole = pool.submit(api.call, "/apps/hang/invoke", turns)
        stream = pool.submit(api.call, "/apps/stall/invoke", {**turns, "stream": True})
        yield whole.result()
        yield stream.result()
