"""Two shares of streams that never end, looked at as often as one likes."""

import math


def p_anytime_unpaired(
    candidate_good: int, candidate_n: int, baseline_good: int, baseline_n: int
) -> float:
    """p of "the candidate's share is no lower", valid however often and whenever one looks.

    1 over the evidence B(g+1, b+1)·B(h+1, c+1) / max θ^(g+h)·(1−θ)^(b+c), for g good and b bad of
    the candidate, h and c of the baseline: under any two shares a uniform mixture of likelihoods
    over the true one is a martingale (Robbins 1970), the largest likelihood of "no lower" bounds
    the true one from above (Wasserman, Ramdas & Balakrishnan 2020), and Ville's inequality holds
    at all moments at once. Arms may get their cells in any order and number.
    """
    good, n = candidate_good + baseline_good, candidate_n + baseline_n
    if candidate_good * baseline_n >= baseline_good * candidate_n:
        return 1.0
    mixed = _log_beta(candidate_good, candidate_n) + _log_beta(baseline_good, baseline_n)
    return min(1.0, math.exp(_log_likelihood(good, n) - mixed))


def _log_beta(good: int, n: int) -> float:
    return math.lgamma(good + 1) + math.lgamma(n - good + 1) - math.lgamma(n + 2)


def _log_likelihood(good: int, n: int) -> float:
    """Of the share good/n itself."""
    bad = n - good
    return sum(k * math.log(k / n) for k in (good, bad) if k)
