"""What a client is told of its limits: headers beside an answer, or the sentence of a refusal."""

import math
from collections.abc import Sequence

from core.errors import QuotaExhausted, RateLimited
from serving.allotments import MINUTE_SECONDS, REQUESTS, STREAMS, TOKENS, Allotment
from serving.keys import COST, DAY_SECONDS, dollars

Headers = list[tuple[bytes, bytes]]


def headers(gates: Sequence[Allotment], now: float) -> Headers:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}` of the limits there are.

    What other processes took since this one last asked the tables is not in them yet.
    """
    found: Headers = []
    for one in gates:
        if one.meter in (REQUESTS, TOKENS):
            rest = min(one.limit, max(0, one.have + one.left))
            told = ("limit", one.limit), ("remaining", rest), ("reset", f"{_wait(one, now)}s")
            found += [(f"x-ratelimit-{n}-{one.meter}".encode(), str(v).encode()) for n, v in told]
    return found


def refusal(
    name: str, gates: Sequence[Allotment], one: Allotment, need: int, now: float
) -> RateLimited:
    """Why the key called `name` has to wait, and how long."""
    wait = _wait(one, now)
    kind = QuotaExhausted if one.meter == COST else RateLimited
    return kind(
        _sentence(name, one, need, wait),
        code="insufficient_quota" if one.meter == COST else "rate_limit_exceeded",
        retry_after=wait,
        headers=headers(gates, now),
    )


def _sentence(name: str, one: Allotment, need: int, wait: int) -> str:
    if one.meter == COST:
        return (
            f"What is left of today's budget of the key {name}, ${dollars(one.limit):f}, does not "
            "suffice for this request. It begins anew at 00:00 UTC; until then use another key."
        )
    if one.meter == STREAMS:
        return (
            f"The key {name} may have {one.limit:,} streams at once, and so many are open. Wait "
            "until one ends."
        )
    if need > one.limit:
        return (
            f"This request may take {need:,} {one.meter}, and the key {name} has {one.limit:,} a "
            "minute. Send a shorter one."
        )
    return (
        f"The key {name} has {one.limit:,} {one.meter} a minute, and they are used up. Try again "
        f"in {wait} s."
    )


def _wait(one: Allotment, now: float) -> int:
    """Seconds until the next window begins, at least 1."""
    if one.meter == STREAMS:
        return 1
    length = DAY_SECONDS if one.meter == COST else MINUTE_SECONDS
    return max(1, math.ceil((one.window + 1) * length - now))
