"""p for two streams at any moment: against integrals, and how often it is wrong when looked at always."""

import math

import numpy as np
import pytest
from scipy.integrate import dblquad

from evalsets.statistics.sequential import p_anytime_unpaired
from evalsets.statistics.unpaired import fisher_exact
from tests.support.depth import DEEP

RUNS, LOOKS = (4_000, 2_000) if DEEP else (150, 400)

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("counts", [(0, 3, 27, 27), (2, 7, 9, 11), (5, 12, 20, 21)])
def test_the_evidence_is_the_mixture_over_the_largest_likelihood(counts: tuple[int, ...]) -> None:
    good, n, their_good, their_n = counts

    def likelihood(p: float, q: float) -> float:
        return p**good * (1 - p) ** (n - good) * q**their_good * (1 - q) ** (their_n - their_good)

    mixed, _ = dblquad(likelihood, 0, 1, 0, 1, epsabs=1e-14)
    shares = np.linspace(0, 1, 20_001)
    largest = max(likelihood(p, p) for p in shares)
    assert p_anytime_unpaired(*counts) == pytest.approx(min(1, largest / mixed), rel=1e-4)


def test_edges() -> None:
    assert p_anytime_unpaired(0, 0, 0, 0) == 1
    assert p_anytime_unpaired(0, 0, 5, 9) == p_anytime_unpaired(5, 9, 0, 0) == 1
    assert p_anytime_unpaired(9, 9, 0, 9) == 1  # better is not worse
    assert p_anytime_unpaired(10**6, 2 * 10**6, 10**6, 10**6) == 0
    assert p_anytime_unpaired(0, 10**5, 100, 10**5) < 0.05


def test_it_asks_for_more_than_one_look_does() -> None:
    for counts in ((10, 20, 19, 20), (40, 80, 60, 80), (3, 10, 30, 40)):
        assert p_anytime_unpaired(*counts) > fisher_exact(*counts)


def first_stops(canary: float, stable: float, share: float, runs: int, looks: int) -> list[float]:
    """At which rating each run was first at p <= 0.05, looked at after every one."""
    draw = np.random.default_rng(hash((canary, stable, share)) % 2**32)
    found: list[float] = []
    for _ in range(runs):
        counts = [0, 0, 0, 0]
        ours = draw.random(looks) < share
        good = draw.random(looks) < np.where(ours, canary, stable)
        first = math.inf
        for at in range(looks):
            arm = 0 if ours[at] else 2
            counts[arm] += int(good[at])
            counts[arm + 1] += 1
            if good[at] != ours[at] and p_anytime_unpaired(*counts) <= 0.05:
                first = at
                break
        found.append(first)
    return found


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("good", [0.5, 0.8, 0.95])
def test_equal_arms_are_told_apart_in_few_runs(good: float, share: float) -> None:
    """Measured over 3,000 looks: at most 0.6 %."""
    stopped = sum(math.isfinite(at) for at in first_stops(good, good, share, RUNS, LOOKS))
    assert stopped / RUNS <= (0.02 if DEEP else 0.05)


def test_a_naive_look_each_time_is_wrong_far_more_often() -> None:
    """Control: an interval of one look, read after every rating, stops a good canary in every
    seventh run or more."""
    from evalsets.statistics.pairing import square_and_add
    from evalsets.statistics.shares import wilson_of

    draw = np.random.default_rng(3)
    stopped = 0
    for _ in range(100):
        counts = [0, 0, 0, 0]
        for _ in range(300):
            arm = 2 * int(draw.random() < 0.5)
            counts[arm] += int(draw.random() < 0.8)
            counts[arm + 1] += 1
            k, n, h, m = counts
            if min(n, m) < 5:
                continue
            interval = square_and_add(k / n, wilson_of(k, n), h / m, wilson_of(h, m))
            if interval.high < 0:
                stopped += 1
                break
    assert stopped >= 10


@pytest.mark.parametrize(
    ("canary", "stable", "share", "within", "power"),
    [(0.5, 0.8, 0.5, 400, 0.95), (0.6, 0.8, 0.5, 900, 0.95), (0.5, 0.8, 0.1, 1000, 0.9)],
)
def test_a_worse_canary_is_found(
    canary: float, stable: float, share: float, within: int, power: float
) -> None:
    """Measured medians: 106, 261 and 323 ratings of both arms together."""
    runs = 1000 if DEEP else 60
    found = sum(math.isfinite(at) for at in first_stops(canary, stable, share, runs, within))
    assert found / runs >= power - (0 if DEEP else 0.08)
