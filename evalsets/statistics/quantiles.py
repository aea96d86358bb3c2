"""Quantiles of the normal and the t distribution without SciPy.

`run show` has 0.8 s of CPU in all; importing `scipy.special` alone costs 0.3 s, `scipy.stats`
1 s and statsmodels (with pandas) 1.5 s. Every degree of freedom here is a whole number (cases
less one), for which the t distribution is a finite sum.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

Z95 = 1.959964
Z90_ONE_SIDED = 1.281552
Z80_ONE_SIDED = 0.841621


class Interval(NamedTuple):
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def leaves_out(self, value: float) -> bool:
        """True when the value lies outside; a bound that equals it counts as inside."""
        return value < self.low or value > self.high


def normal_quantile(probability: float) -> float:
    return NormalDist().inv_cdf(probability)


@lru_cache(maxsize=4096)
def t975(df: int) -> float:
    """The 97.5 % quantile of Student's t, for a whole number of degrees of freedom >= 1.

    Up to 400: bisection on Abramowitz & Stegun 26.7.3 and 26.7.4; above: the Cornish–Fisher
    expansion 26.7.5, there exact to 1e-12.
    """
    if df < 1:
        raise ValueError("t needs at least one degree of freedom")
    if df > 400:
        return _t_expansion(normal_quantile(0.975), df)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _t_central_probability(middle, df) < 0.95:
            low = middle
        else:
            high = middle
    return math.sqrt(df) * math.tan(low)


def _t_central_probability(theta: float, df: int) -> float:
    """P(|t| <= √df · tan θ), Abramowitz & Stegun 26.7.3 (odd df) and 26.7.4 (even df)."""
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = df % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(df // 2):
        total += term
        # odd: factors 2/3, 4/5, …; even: 1/2, 3/4, …
        term *= cosine**2 * (2 * k + 1 + odd) / (2 * k + 2 + odd)
    return 2 / math.pi * (theta + sine * total) if odd else sine * total


def _t_expansion(x: float, df: int) -> float:
    g1 = (x**3 + x) / 4
    g2 = (5 * x**5 + 16 * x**3 + 3 * x) / 96
    g3 = (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384
    g4 = (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160
    return x + g1 / df + g2 / df**2 + g3 / df**3 + g4 / df**4


def expanded_level(n_cases: int) -> float:
    """The level at which a percentile bootstrap of this many cases covers like 95 %.

    1 − 2Φ(−√(G/(G−1))·t(0.975; G−1)): the expanded percentile interval, Hesterberg 2015.
    """
    x = math.sqrt(n_cases / (n_cases - 1)) * t975(n_cases - 1)
    return math.erf(x / math.sqrt(2))
