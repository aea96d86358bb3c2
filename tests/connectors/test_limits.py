"""The gate of a model: how many calls, how fast, when again, when no more."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from connectors.chat import ChatClient
from connectors.failures import describe
from connectors.limits import MAX_ATTEMPTS, Limits, ModelGate
from connectors.pacing import Bucket, Window
from connectors.wire import ChatAnswer, ChatError, ChatFailure, ChatRequest, Target, Usage
from tests.support.witness import Witness, witness

GOOD = ChatAnswer("x", [], "stop", Usage(5, 5), None, 1.0, "m")
TARGET = Target("m", "openai", "ok")
BUSY = describe("rate_limited", TARGET, status=429)


@pytest.fixture(scope="module")
def server() -> Iterator[Witness]:
    with witness() as running:
        yield running


async def batch(
    server: Witness, model: str, cells: int, limits: Limits, limit: float = 5.0
) -> "Batch":
    """What the run engine does with a gate, without a database."""
    return await Batch(server, model, limits, limit).run(cells)


class Batch:
    def __init__(self, server: Witness, model: str, limits: Limits, limit: float) -> None:
        self.target = Target(
            "m", "openai", model, base_url=server.base_url, local_allowed=True, timeout=limit
        )
        self.gate = ModelGate(limits, seed=1)
        self.calls = 0
        self.done: list[int] = []
        self.failed: dict[int, tuple[int, str]] = {}

    async def run(self, cells: int) -> "Batch":
        todo = iter(range(cells))
        async with ChatClient() as client:
            await asyncio.gather(
                *(self.work(client, todo) for _ in range(self.gate.limits.concurrency))
            )
        return self

    async def work(self, client: ChatClient, todo: Iterator[int]) -> None:
        for cell in todo:
            await self.cell(client, cell)

    async def cell(self, client: ChatClient, cell: int) -> None:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            if not await self.gate.acquire(10):
                self.failed[cell] = (attempt - 1, self.gate.circuit_reason or "")
                return
            self.calls += 1
            outcome: ChatAnswer | ChatFailure
            try:
                outcome = await client.chat(
                    self.target, ChatRequest([{"role": "user", "content": f"cell {cell}"}])
                )
            except ChatError as error:
                outcome = error.failure
            self.gate.release(outcome, 10)
            if isinstance(outcome, ChatAnswer):
                self.done.append(cell)
                return
            delay = self.gate.retry_delay(outcome, attempt)
            if delay is None:
                self.failed[cell] = (attempt, outcome.message)
                return
            await asyncio.sleep(delay)


async def test_a_fifth_of_faults_costs_a_quarter_more_calls(server: Witness) -> None:
    """2,000 cells, every fifth answer 429, 500 or 503: all are done, calls <= 1.3 x cells."""
    started = time.monotonic()
    got = await batch(server, "flaky-20", 2000, Limits(concurrency=64))
    assert len(got.done) == 2000
    assert got.calls == server.counts("flaky-20").requests
    assert 1.15 * 2000 < got.calls <= 1.3 * 2000
    assert time.monotonic() - started < 90


async def test_time_outs_are_tried_again(server: Witness) -> None:
    got = await batch(server, "hangy-20", 100, Limits(concurrency=32), limit=0.3)
    assert len(got.done) == 100
    assert 100 < got.calls < 160


@pytest.mark.parametrize("model", ["r401", "r403", "r404", "quota", "r429-3600"])
async def test_a_dead_model_opens_its_circuit(server: Witness, model: str) -> None:
    got = await batch(server, model, 200, Limits(concurrency=4))
    assert not got.done
    assert len(got.failed) == 200
    assert server.counts(model).requests <= 2 * 4
    unsent = [reason for attempts, reason in got.failed.values() if attempts == 0]
    assert len(unsent) >= 192
    assert all("The model m" in reason for reason in unsent)


async def test_an_unreachable_server_opens_the_circuit_after_twenty() -> None:
    gone = Witness(9)
    got = await batch(gone, "ok", 100, Limits(concurrency=16))
    assert len(got.failed) == 100
    assert 20 <= got.calls <= 2 * 16 + 4
    assert "no server listens there" in (got.gate.circuit_reason or "")


async def test_connection_failures_must_be_in_a_row() -> None:
    gate = ModelGate(Limits(concurrency=1))
    gone = describe("connection", TARGET)
    for _ in range(3):
        for _ in range(19):
            assert await gate.acquire()
            gate.release(gone)
        assert await gate.acquire()
        gate.release(GOOD)
    assert gate.circuit_reason is None


async def test_a_closed_circuit_lets_calls_through_again() -> None:
    gate = ModelGate(Limits(concurrency=2))
    assert await gate.acquire()
    waiting = [asyncio.create_task(gate.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    gate.release(describe("auth", TARGET, status=401))
    assert [await task for task in waiting] == [True, False, False]
    assert await gate.acquire() is False
    gate.close_circuit()
    assert await gate.acquire() is True


async def test_retry_after_holds_the_whole_queue() -> None:
    gate = ModelGate(Limits(concurrency=8))
    assert await gate.acquire()
    gate.release(describe("rate_limited", TARGET, status=429, retry_after=0.3))
    started = time.monotonic()
    assert all(await asyncio.gather(*(gate.acquire() for _ in range(4))))
    assert 0.29 < time.monotonic() - started < 5


async def test_six_attempts_and_a_growing_bound() -> None:
    gate = ModelGate(Limits(), seed=7)
    server = describe("server", TARGET, status=500)
    delays = [gate.retry_delay(server, attempt) for attempt in range(1, 6)]
    assert all(delay is not None and 0 <= delay <= 0.5 * 2**at for at, delay in enumerate(delays))
    assert len(set(delays)) == 5
    assert gate.retry_delay(server, 6) is None
    assert gate.retry_delay(describe("bad_request", TARGET, status=400), 1) is None


async def test_concurrency_is_kept_and_changes_live(server: Witness) -> None:
    got = await batch(server, "slow-20+limited", 60, Limits(concurrency=3))
    assert len(got.done) == 60
    assert server.counts("slow-20+limited").most_in_flight == 3
    gate = ModelGate(Limits(concurrency=1))
    assert await gate.acquire()
    second = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0.01)
    assert not second.done()
    gate.update(Limits(concurrency=2))
    assert await asyncio.wait_for(second, 1)


async def test_requests_per_minute_are_kept() -> None:
    gate = ModelGate(Limits(concurrency=100, rpm=1200))
    started = time.monotonic()
    for _ in range(40):
        assert await gate.acquire()
        gate.release(GOOD)
    assert 0.95 < time.monotonic() - started < 8


async def test_tokens_per_minute_count_what_was_used() -> None:
    """1,200 tokens a second; each call estimates 100 and uses 310: 12 take 2.3 s, not 0."""
    gate = ModelGate(Limits(concurrency=100, tpm=72_000))
    answer = ChatAnswer("x", [], "stop", Usage(300, 10), None, 1.0, "m")
    started = time.monotonic()
    for _ in range(12):
        assert await gate.acquire(100)
        gate.release(answer, 100)
    assert 1.5 < time.monotonic() - started < 12


def test_a_call_larger_than_the_bucket_is_sent_and_paid_off() -> None:
    bucket = Bucket(600, now=0.0)
    assert bucket.wait(1000, 0.0) == 0
    bucket.take(1000)
    assert bucket.wait(5, 0.0) == pytest.approx(99.5)


def test_window_halves_under_a_wall_and_survives_noise() -> None:
    wall = Window(64)
    for _ in range(2000):
        wall.note(True)
    assert wall.size == 1
    noise = Window(64)
    for index in range(20_000):
        noise.note(index % 14 == 0)
    assert noise.size > 12, "7 % of 429s may not starve a run"
    for _ in range(20_000):
        noise.note(False)
    assert noise.size == 64


async def test_gate_learns_the_provider_limit(server: Witness) -> None:
    """The provider takes 6 calls at once, the settings say 32: 429s stay few, all is done."""
    got = await batch(server, "slow-20+limit-6", 400, Limits(concurrency=32))
    assert len(got.done) + len(got.failed) == 400
    assert len(got.failed) <= 4
    refused = server.counts("slow-20+limit-6").statuses["429"]
    assert refused < 320
    blind = await batch(server, "slow-20+limit-6+blind", 400, Limits(concurrency=6))
    assert len(blind.done) == 400
    assert server.counts("slow-20+limit-6+blind").statuses.get("429", 0) == 0


async def test_a_waiting_call_that_is_cancelled_leaves_no_slot_taken() -> None:
    gate = ModelGate(Limits(concurrency=1))
    assert await gate.acquire()
    waiting = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0.01)
    waiting.cancel()
    gate.release(GOOD)
    await asyncio.sleep(0.01)
    granted = asyncio.create_task(gate.acquire())
    assert await asyncio.wait_for(granted, 1)
    late = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0.01)
    gate.release(GOOD)
    late.cancel()
    await asyncio.sleep(0.01)
    assert gate.in_flight == 0
