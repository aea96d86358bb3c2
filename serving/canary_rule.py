"""When a canary has lost. Pure."""

from datetime import datetime
from typing import Literal, NamedTuple

from evalsets.statistics.pairing import clip, square_and_add
from evalsets.statistics.quantiles import Interval
from evalsets.statistics.sequential import p_anytime_unpaired
from evalsets.statistics.shares import wilson

ALPHA = 0.05
LEAST_CALLS = 10
"""Calls of the canary before its errors count."""
LEAST_FAILING = 3
"""Callers that met an error: one broken client is no broken release."""

Why = Literal["worse", "errors", "holds"]


class Arm(NamedTuple):
    """What a release did for an alias since its canary began.

    `failing`: how many callers (users, else requests) met an error. `good` and `bad` count callers,
    too: of several ratings of one user the newest.
    """

    release: int
    calls: int
    errors: int
    failing: int
    good: int
    bad: int


class CanaryFigures(NamedTuple):
    """Both arms of an alias since its canary began."""

    since: datetime
    percent: int
    canary: Arm
    stable: Arm


class Compared(NamedTuple):
    """Shares of both arms with Wilson's intervals; canary − stable with Newcombe's (17:873).

    The intervals are those of one look; `p_anytime` of "the canary is no worse" is not, and
    decides. Shares without a call or rating are None.
    """

    canary: float | None
    canary_ci95: Interval | None
    stable: float | None
    stable_ci95: Interval | None
    difference: float | None
    difference_ci95: Interval | None
    p_anytime: float


class Decision(NamedTuple):
    """Whether a canary has lost, by which figure, and both figures."""

    stop: bool
    why: Why
    good: Compared
    errors: Compared


def decide(figures: CanaryFigures) -> Decision:
    """Stop when the canary's share of good is lower or its share of errors higher (95 %).

    Looked at after every rating and call, either stops at most 5 % of canaries that are no worse
    (`p_anytime_unpaired`), and by simulation less than 1 %. Calls count as independent in errors.
    """
    canary, stable = figures.canary, figures.stable
    good = _compared(canary.good, canary.good + canary.bad, stable.good, stable.good + stable.bad)
    errors = _compared(canary.errors, canary.calls, stable.errors, stable.calls)
    p_errors = p_anytime_unpaired(
        canary.calls - canary.errors, canary.calls, stable.calls - stable.errors, stable.calls
    )
    errors = errors._replace(p_anytime=p_errors)
    failing = canary.calls >= LEAST_CALLS and canary.failing >= LEAST_FAILING
    if failing and p_errors <= ALPHA:
        return Decision(True, "errors", good, errors)
    if good.p_anytime <= ALPHA:
        return Decision(True, "worse", good, errors)
    return Decision(False, "holds", good, errors)


def _compared(ours: int, our_n: int, theirs: int, their_n: int) -> Compared:
    canary, stable = wilson(ours, our_n), wilson(theirs, their_n)
    p = p_anytime_unpaired(ours, our_n, theirs, their_n)
    our_share = ours / our_n if our_n else None
    their_share = theirs / their_n if their_n else None
    if canary is None or stable is None or our_share is None or their_share is None:
        return Compared(our_share, canary, their_share, stable, None, None, p)
    interval = clip(square_and_add(our_share, canary, their_share, stable))
    difference = our_share - their_share
    return Compared(our_share, canary, their_share, stable, difference, interval, p)
