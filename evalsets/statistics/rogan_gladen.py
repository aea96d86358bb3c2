"""Share of good from a judge whose error rates were measured elsewhere."""

import math
from dataclasses import dataclass

from evalsets.statistics.quantiles import Z95, Interval


@dataclass(frozen=True)
class RoganGladen:
    """None where the error rates do not fit the run (no better than chance, or outside 0–1)."""

    share: float | None
    ci95: Interval | None


def rogan_gladen(
    *, judged_good: int, judged_n: int, tp: int, human_good: int, tn: int, human_bad: int
) -> RoganGladen:
    """Share of good from a judge whose error rates come from elsewhere (Rogan & Gladen 1978).

    `tp` of `human_good` and `tn` of `human_bad` the judge got right; interval of Lang &
    Reiczigel 2014.
    """
    nothing = RoganGladen(None, None)
    if 0 in (judged_n, human_good, human_bad):
        return nothing
    tpr, tnr = tp / human_good, tn / human_bad
    if tp * human_bad + tn * human_good <= human_good * human_bad:  # TPR + TNR <= 1, exactly
        return nothing
    interval = _lang_reiczigel(judged_good, judged_n, tp, human_good, tn, human_bad)
    if interval is None or interval.high < 0 or interval.low > 1:
        return nothing
    share = (judged_good / judged_n + tnr - 1) / (tpr + tnr - 1)
    clipped = Interval(max(interval.low, 0.0), min(interval.high, 1.0))
    return RoganGladen(min(max(share, 0.0), 1.0), clipped)


def _lang_reiczigel(
    k: int, n: int, tp: int, human_good: int, tn: int, human_bad: int
) -> Interval | None:
    """Unclipped; None where the adjusted rates have no power to tell good from bad."""
    size = n + Z95**2
    p = (k + Z95**2 / 2) / size
    se, sp = (tp + 1) / (human_good + 2), (tn + 1) / (human_bad + 2)
    power = se + sp - 1
    if power <= 0:
        return None
    share = (p + sp - 1) / power
    of_se, of_sp = se * (1 - se) / (human_good + 2), sp * (1 - sp) / (human_bad + 2)
    shift = 2 * Z95**2 * (share * of_se - (1 - share) * of_sp)
    spread = p * (1 - p) / size + share**2 * of_se + (1 - share) ** 2 * of_sp
    half = Z95 * math.sqrt(spread) / power
    return Interval(share + shift - half, share + shift + half)
