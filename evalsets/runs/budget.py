"""What a call will probably cost, and whether the run may still spend it."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median_low
from typing import NamedTuple

from connectors.prices import Price, cost
from connectors.wire import ChatRequest, Usage

DEFAULT_OUTPUT = 256
_BYTES_PER_TOKEN = 4
_REMEMBERED = 101


class Guess(NamedTuple):
    """Tokens of a call that was not made yet."""

    input_tokens: int
    output_tokens: int

    def cost(self, price: Price | None) -> Decimal:
        """US dollars; an unpriced model runs without a budget, so that 0 does no harm."""
        return cost(Usage(*self), price) or Decimal(0)


def text_bytes(request: ChatRequest) -> int:
    """UTF-8 bytes of what is sent: a token is about four of them, in English and in Chinese."""
    return sum(len(str(m.get("content") or "").encode(errors="replace")) for m in request.messages)


def output_limit(request: ChatRequest) -> int | None:
    """The most tokens that an answer may have, if the request says so."""
    limit = request.params.get("max_tokens") or request.params.get("max_completion_tokens")
    return limit if isinstance(limit, int) else None


@dataclass
class Guesser:
    """Guesses the tokens of one arm or judge, and learns from its answers."""

    output: int | None = None
    _bytes: int = 0
    _tokens: int = 0
    _outputs: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def guess(self, request: ChatRequest) -> Guess:
        """Output: the median of earlier answers, else max_tokens, else 256."""
        size = text_bytes(request)
        tokens = size * self._tokens / self._bytes if self._bytes else size / _BYTES_PER_TOKEN
        limit = output_limit(request)
        output = self.output if self.output is not None else limit or DEFAULT_OUTPUT
        return Guess(round(tokens) + 1, min(output, limit or output))

    def learn(self, request: ChatRequest, usage: Usage) -> None:
        """Take an answer into account."""
        self._bytes += text_bytes(request)
        self._tokens += usage.input_tokens
        self._outputs.append(usage.output_tokens)
        self.output = median_low(self._outputs)


@dataclass(eq=False)
class Budget:
    """The run's total over all owners, judges and possibly paid calls included."""

    total: Decimal | None
    spent: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    _waiting: list["asyncio.Future[None]"] = field(default_factory=list["asyncio.Future[None]"])

    def admits(self, cost: Decimal) -> bool:
        """Whether spent + set aside + this stays within the total."""
        return self.total is None or self.spent + self.reserved + cost <= self.total

    def reserve(self, cost: Decimal) -> None:
        """Set an estimate aside while its call is under way."""
        self.reserved += cost

    def settle(self, reserved: Decimal, spent: Decimal) -> None:
        """A call ended: what was set aside becomes what it took."""
        self.reserved -= reserved
        self.spent += spent
        self.wake()

    def raise_to(self, total: Decimal | None) -> None:
        """A new total, while the run is going on."""
        if total != self.total:
            self.total = total
            self.wake()

    async def changed(self) -> None:
        """Wait until a call ended or the total moved."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def wake(self) -> None:
        """Let everybody who waits look again."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)
