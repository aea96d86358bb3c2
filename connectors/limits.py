"""How fast one model is asked: concurrency that learns, rates, retries and a circuit breaker."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass
from typing import Literal

from connectors.failures import LONGEST_HOLD
from connectors.pacing import Bucket, Window
from connectors.wire import ChatAnswer, ChatFailure

MAX_ATTEMPTS = 6
MAX_CONNECTION_FAILURES = 20
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0

Outcome = ChatAnswer | ChatFailure | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model's settings allow; requests and tokens are per minute."""

    concurrency: int = 8
    rpm: int | None = None
    tpm: int | None = None


class ModelGate:
    """The one door to a model in this process: `acquire` before a call, `release` after it.

    A failure that no later call can escape (wrong key, unknown model, no quota, 20 connection
    failures in a row) opens the circuit: `acquire` then refuses until `close_circuit`.
    """

    def __init__(self, limits: Limits, *, seed: int | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.limits = limits
        self.circuit_reason: str | None = None
        self.in_flight = 0
        self._now = loop.time
        self._loop = loop
        self._random = random.Random(seed)
        self._window = Window(limits.concurrency)
        self._requests = Bucket(limits.rpm, self._now())
        self._tokens = Bucket(limits.tpm, self._now())
        self._queue: deque[tuple[asyncio.Future[bool], int]] = deque()
        self._held_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._broken = 0

    def update(self, limits: Limits) -> None:
        """Take over changed settings while calls are in flight."""
        if limits == self.limits:
            return
        if limits.rpm != self.limits.rpm:
            self._requests = Bucket(limits.rpm, self._now())
        if limits.tpm != self.limits.tpm:
            self._tokens = Bucket(limits.tpm, self._now())
        self._window.resize(limits.concurrency)
        self.limits = limits
        self._wake()

    @property
    def opens_soon(self) -> bool:
        """Whether nothing but a call under way keeps the next one: no rate, no hold."""
        free = self.limits.rpm is None and self.limits.tpm is None
        return free and self.in_flight >= int(self._window.size) and self._held_until <= self._now()

    async def acquire(self, est_tokens: int = 0) -> bool:
        """Wait for a slot, first come first served; False when the circuit is open."""
        if self.circuit_reason is not None:
            return False
        if not self._queue and self._delay(est_tokens) == 0:
            self._take(est_tokens)
            return True
        place = (self._loop.create_future(), est_tokens)
        self._queue.append(place)
        self._wake()
        try:
            return await place[0]
        except asyncio.CancelledError:
            if place in self._queue:
                self._queue.remove(place)
            elif place[0].done() and not place[0].cancelled() and place[0].result():
                self.release(None, est_tokens)
            raise

    def release(self, outcome: Outcome, est_tokens: int = 0) -> None:
        """Give the slot back with what came of the call; None when it was stopped by us."""
        self.in_flight -= 1
        if isinstance(outcome, ChatAnswer):
            self._broken = 0
            used = outcome.usage.input_tokens + outcome.usage.output_tokens
            self._tokens.take(used - est_tokens)
            self._window.note(False)
        elif outcome is not None:
            self._note_failure(outcome)
        self._wake()

    def retry_delay(self, failure: ChatFailure, attempt: int) -> float | None:
        """Seconds before attempt + 1, or None when `attempt` (from 1) was the last one.

        Full jitter over a doubling bound; what the provider asks for is kept by the gate.
        """
        if not failure.retryable or attempt >= MAX_ATTEMPTS or self.circuit_reason is not None:
            return None
        bound = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (attempt - 1))
        return self._random.uniform(0, bound) if failure.retry_after is None else 0.0

    def close_circuit(self) -> None:
        """Try the model again, as `retry` and a changed setting ask."""
        self.circuit_reason = None
        self._broken = 0

    def _note_failure(self, failure: ChatFailure) -> None:
        self._broken = self._broken + 1 if failure.kind == "connection" else 0
        if failure.kind == "rate_limited":
            self._window.note(True)
        elif failure.status is not None:
            self._window.note(False)
        if failure.retry_after and failure.retry_after <= LONGEST_HOLD:
            self._held_until = max(self._held_until, self._now() + failure.retry_after)
        if failure.fatal_for_model or self._broken >= MAX_CONNECTION_FAILURES:
            self._open_circuit(failure)

    def _open_circuit(self, failure: ChatFailure) -> None:
        if self.circuit_reason is None:
            self.circuit_reason = failure.message
        while self._queue:
            future, _ = self._queue.popleft()
            if not future.done():
                future.set_result(False)

    def _delay(self, est_tokens: int) -> float | Literal["slot"]:
        """Seconds until the next call may go, or "slot" when one must come back first."""
        if self.in_flight >= int(self._window.size):
            return "slot"
        now = self._now()
        waits = (self._requests.wait(1, now), self._tokens.wait(est_tokens, now))
        return max(self._held_until - now, *waits, 0.0)

    def _take(self, est_tokens: int) -> None:
        self.in_flight += 1
        self._requests.take(1)
        self._tokens.take(est_tokens)

    def _wake(self) -> None:
        """Let through whoever may go; set one timer for the first who may not yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue:
            future, est_tokens = self._queue[0]
            delay = self._delay(est_tokens)
            if delay == "slot":
                return
            if delay > 0:
                self._timer = self._loop.call_later(delay + 0.001, self._wake)
                return
            self._queue.popleft()
            if not future.done():
                self._take(est_tokens)
                future.set_result(True)
