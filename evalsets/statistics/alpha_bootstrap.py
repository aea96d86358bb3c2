"""Krippendorff's alpha of many resamples at once, from the counts of each item.

The package `krippendorff` computes one alpha a call; 2,000 calls take seconds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsets.statistics.quantiles import Interval

Numbers = NDArray[np.float64]


def alpha_percentiles(
    counts: Sequence[Sequence[int]],
    positions: Sequence[float] | None,
    ordinal: bool,
    resamples: int,
) -> Interval | None:
    """95 % percentiles over bootstraps of items.

    `counts`: items × categories. `positions`: values of the categories, None for nominal ones.
    """
    table = np.asarray(counts, float)
    items = len(table)
    generator = np.random.default_rng(0)
    weights = generator.multinomial(items, np.full(items, 1 / items), resamples).astype(float)
    alphas = resampled_alphas(table, weights, positions, ordinal)
    defined = alphas[~np.isnan(alphas)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [0.025, 0.975])
    return Interval(float(low), float(high))


def resampled_alphas(
    counts: Numbers, weights: Numbers, positions: ArrayLike | None, ordinal: bool
) -> Numbers:
    """Alpha of every row of `weights` (how often each item is drawn); NaN for one category.

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"; observed and expected
    disagreement are sums over items, so no coincidence matrix is needed. The ordinal metric is
    the interval metric on mid-ranks.
    """
    raters = counts.sum(axis=1)
    totals = weights @ counts
    n = totals.sum(axis=1)
    if positions is None:
        observed = weights @ ((raters**2 - (counts**2).sum(axis=1)) / (raters - 1))
        expected = n**2 - (totals**2).sum(axis=1)
    else:
        ranks = np.cumsum(totals, axis=1) - totals / 2
        x = ranks if ordinal else np.broadcast_to(np.asarray(positions, float), totals.shape)
        first, second = x @ counts.T, x**2 @ counts.T
        observed = (weights * 2 * (raters * second - first**2) / (raters - 1)).sum(axis=1)
        expected = 2 * (n * (totals * x**2).sum(axis=1) - (totals * x).sum(axis=1) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        alphas = 1 - (n - 1) * observed / expected
    # one category left: expected is 0, up to rounding
    return np.where((totals > 0).sum(axis=1) > 1, alphas, np.nan)
