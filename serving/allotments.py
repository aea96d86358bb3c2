"""What this process may still spend of a key's limits, in memory; the tables grant it.

An allotment is one meter of one key in one window. What is in it was taken from `KeyUse` (or, for
streams, from `StreamLease`), so the sum over all processes never passes the limit, and a process
that is killed leaves what it held counted as spent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from serving.keys import COST, DAY_SECONDS

REQUESTS, TOKENS, STREAMS = "requests", "tokens", "streams"
METERS = (REQUESTS, TOKENS, COST, STREAMS)
MINUTE_SECONDS = 60
MINUTES_A_DAY = DAY_SECONDS // MINUTE_SECONDS
LONG_AGO = float("-inf")
_SMALL = 1000
_PART = 8
Amounts = tuple[int, int, int, int]
"""What a call takes of each of `METERS`: 1, tokens, 10^-9 US dollars, 1 for a stream."""


@dataclass(slots=True, eq=False)
class Allotment:
    """What is held of a meter in a window; `have` below zero is a debt that the table must learn.

    `left` is what the table had left when it was `seen` last; `held` counts streams with those
    that are open, `low` the fewest that were free since the last look.
    """

    at: int
    window: int
    limit: int = 0
    have: int = 0
    left: int = 0
    seen: float = LONG_AGO
    touched: float = LONG_AGO
    held: int = 0
    low: int = 0

    @property
    def meter(self) -> str:
        """The name of the meter."""
        return METERS[self.at]

    def take(self, need: int, now: float) -> None:
        """Spend what a call may need."""
        self.have -= need
        self.touched = now
        self.low = min(self.low, self.have)

    def give_back(self, amount: int) -> "Return":
        """Take out of memory what the table gets back."""
        self.have -= amount
        if self.meter == STREAMS:
            self.held -= amount
        return Return(self, amount)

    def grant(self, amount: int) -> None:
        """Put into memory what the table gave."""
        self.have += amount
        if self.meter == STREAMS:
            self.held += amount

    def is_past(self, minute: int) -> bool:
        """Whether the window is over."""
        if self.meter == STREAMS:
            return False
        return self.window < (minute // MINUTES_A_DAY if self.meter == COST else minute)

    def put_back(self, amount: int, now: float) -> None:
        """What a call left of its estimate; below zero what it took beyond."""
        self.have += amount
        self.touched = now


class Return(NamedTuple):
    """What goes back to the tables; below zero a debt."""

    allotment: Allotment
    amount: int


class Decision(NamedTuple):
    """For each call the place of the limit that it does not meet, None for one that goes ahead;
    `spent` is what those take of each limit."""

    short: tuple[int | None, ...]
    spent: tuple[int, ...]


def decide(free: Sequence[int], needs: Sequence[Sequence[int]]) -> Decision:
    """First come, first served; a call that is refused takes nothing."""
    left, short = list(free), list[int | None]()
    for need in needs:
        lacks = next((at for at, n in enumerate(need) if 0 < n > left[at]), None)
        if lacks is None:
            left = [one - n for one, n in zip(left, need, strict=True)]
        short.append(lacks)
    return Decision(tuple(short), tuple(a - b for a, b in zip(free, left, strict=True)))


def portion(missing: int, left: int) -> int:
    """How much to take when `missing` is needed and the table has `left`.

    An eighth of what is left, so that a process seldom asks and parts shrink as the limit comes
    near; of less than 1,000 no more than is needed, so that small limits are met exactly.
    """
    if missing <= 0:
        return 0
    return max(missing, left // _PART if left >= _SMALL else 0)
