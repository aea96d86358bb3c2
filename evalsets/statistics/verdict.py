"""A verdict over arms: shares and ranks, Holm over one family, the words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evalsets.statistics.cells import (
    CellCounts,
    Cells,
    all_binary,
    all_on_unit_scale,
    count_cells,
    failed_as_bad,
    values_by_case,
)
from evalsets.statistics.comparison import Comparison, compare
from evalsets.statistics.quantiles import Interval
from evalsets.statistics.scores import mean_score
from evalsets.statistics.shares import ranks, share_of_good
from evalsets.statistics.words import RESOLUTION, Look, Plan, Word, holm, look_of, word


@dataclass(frozen=True)
class ArmShare:
    """`share` is the mean where scores are graded; then `good` is None.

    `rank` is a description (1, 1, 3); the words of the comparisons are the claim.
    """

    arm: str
    n: int
    good: int | None
    share: float | None
    ci95: Interval | None
    n_cases: int
    counts: CellCounts
    rank: int | None = None


@dataclass(frozen=True)
class Verdict:
    arms: tuple[ArmShare, ...]
    comparisons: tuple[Comparison, ...]
    look: Look


def verdict(
    arms: Mapping[str, Cells],
    baseline: str | None = None,
    *,
    resolution: float = RESOLUTION,
    plan: Plan | None = None,
) -> Verdict:
    """Every arm against the baseline (default: the first), one family for Holm.

    Cells hold labels or one evaluator's scores. Where cells failed, the words are formed a
    second time with failed = bad and stand in `verdict_failed_as_bad`.
    """
    first = next(iter(arms)) if baseline is None else baseline
    look = look_of(plan)
    found = decide(_against(arms, first), look, resolution)
    if any(map(_any_failed, found)) and all_on_unit_scale(arms.values()):
        worst = {name: failed_as_bad(cells) for name, cells in arms.items()}
        second = decide(_against(worst, first), look, resolution)
        found = [
            replace(one, verdict_failed_as_bad=other.verdict) if _any_failed(one) else one
            for one, other in zip(found, second, strict=True)
        ]
    return Verdict(rank_arms(arms), tuple(found), look)


def _against(arms: Mapping[str, Cells], baseline: str) -> list[Comparison]:
    return [
        replace(compare(cells, arms[baseline]), candidate=name, baseline=baseline)
        for name, cells in arms.items()
        if name != baseline
    ]


def _any_failed(comparison: Comparison) -> bool:
    return bool(comparison.candidate_counts.failed or comparison.baseline_counts.failed)


def decide(
    comparisons: Sequence[Comparison],
    look: Look,
    resolution: float = RESOLUTION,
    family: int | None = None,
) -> list[Comparison]:
    """Holm over the comparisons that have a p, then word and labels_needed of each.

    `family`: the size of the whole family when these are a part of it; the p of the others are
    taken as 1, so the smallest p here is multiplied by the family's size.
    """
    known = [one.p_value for one in comparisons if one.p_value is not None]
    size = max(len(known), family or 1)
    adjusted = iter(holm(known + [1.0] * (size - len(known))))
    return [
        _with_word(one, None if one.p_value is None else next(adjusted), look, resolution, size)
        for one in comparisons
    ]


def _with_word(
    one: Comparison, p_adjusted: float | None, look: Look, resolution: float, family: int
) -> Comparison:
    said, lacking = None, None
    if one.need is not None:
        said = word(p_adjusted, one.difference, one.difference_ci95, one.need, look, resolution)
        if said is Word.TOO_FEW:
            needed = one.need.labels_needed(resolution, look.alpha_next, family)
            lacking = max(needed, look.lacking)
    return replace(
        one,
        alpha=look.alpha,
        interim=look.interim,
        resolution=resolution,
        p_adjusted=p_adjusted,
        verdict=said,
        labels_needed=lacking,
    )


def rank_arms(arms: Mapping[str, Cells]) -> tuple[ArmShare, ...]:
    shares = [arm_share(name, cells) for name, cells in arms.items()]
    order = ranks([one.share for one in shares])
    return tuple(replace(one, rank=rank) for one, rank in zip(shares, order, strict=True))


def arm_share(arm: str, cells: Cells) -> ArmShare:
    """Share of good with Wilson (clustered where cases repeat), or the mean of graded scores."""
    counts, cases = count_cells(cells), values_by_case(cells)
    if all_binary([cells]):
        share = share_of_good(cases)
        return ArmShare(arm, share.n, share.good, share.share, share.ci95, share.n_cases, counts)
    mean = mean_score(cases)
    return ArmShare(arm, mean.n, None, mean.mean, mean.ci95, mean.n_cases, counts)
