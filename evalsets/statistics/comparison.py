"""The figures of two arms: which test their cells call for, and what it finds."""

from dataclasses import dataclass, field, replace

from evalsets.statistics.cells import (
    CellCounts,
    Cells,
    all_binary,
    all_on_unit_scale,
    count_cells,
    count_half_labeled,
    pairs_by_case,
    share_no_case,
    values_by_case,
)
from evalsets.statistics.needs import PairNeed, ScoreNeed, UnpairedNeed
from evalsets.statistics.pairing import Method, Paired, paired
from evalsets.statistics.quantiles import Interval
from evalsets.statistics.scores import score_difference, score_difference_unpaired
from evalsets.statistics.unpaired import unpaired
from evalsets.statistics.words import RESOLUTION, Need, Word


@dataclass(frozen=True)
class Comparison:
    """Candidate against baseline; `difference` is candidate − baseline, in [−1, 1] for labels.

    The four counts of pairs and `p_anytime` are None without a table of good and bad pairs.
    `need` None: an interval but no word (scores off the 0–1 scale). `mixed_scores`: one arm all
    0 or 1, the other graded, where p is a little too small. The fields from `alpha` on are set
    by `verdict.decide`.
    """

    method: Method
    n_pairs: int
    n_cases: int
    difference: float | None
    difference_ci95: Interval | None
    p_value: float | None
    need: Need | None
    candidate: str = ""
    baseline: str = ""
    both: float | None = None
    only_candidate: int | None = None
    only_baseline: int | None = None
    neither: float | None = None
    p_anytime: float | None = None
    design_effect: float | None = None
    half_labeled: int = 0
    candidate_counts: CellCounts = field(default_factory=CellCounts)
    baseline_counts: CellCounts = field(default_factory=CellCounts)
    mixed_scores: bool = False
    alpha: float | None = None
    interim: bool = False
    resolution: float = RESOLUTION
    p_adjusted: float | None = None
    verdict: Word | None = None
    labels_needed: int | None = None
    verdict_failed_as_bad: Word | None = None


def compare(candidate: Cells, baseline: Cells) -> Comparison:
    """Figures of two arms, without names and words.

    One shared case is enough for a paired comparison, on the shared cases; which cells have a
    label plays no part in that choice.
    """
    if not all_binary([candidate, baseline]):
        found = _compare_scores(candidate, baseline)
    elif share_no_case(candidate, baseline):
        found = _compare_unpaired(candidate, baseline)
    else:
        figures = paired(pairs_by_case(candidate, baseline))
        found = from_paired(figures, count_half_labeled(candidate, baseline))
    return replace(
        found, candidate_counts=count_cells(candidate), baseline_counts=count_cells(baseline)
    )


def from_paired(figures: Paired, half_labeled: int = 0, need: Need | None = None) -> Comparison:
    """A comparison of good/bad pairs; `need` where it is not counted in labels of pairs."""
    n, cases, effect = figures.n_pairs, figures.n_cases, figures.design_effect
    b, c = int(figures.table.only_candidate), int(figures.table.only_baseline)
    return Comparison(
        figures.method,
        n,
        cases,
        figures.difference,
        figures.difference_ci95,
        figures.p_value,
        need or PairNeed(n, cases, b, c, half_labeled, effect),
        both=figures.table.both,
        only_candidate=b,
        only_baseline=c,
        neither=figures.table.neither,
        p_anytime=figures.p_anytime,
        design_effect=effect,
        half_labeled=half_labeled,
    )


def _compare_unpaired(candidate: Cells, baseline: Cells) -> Comparison:
    found = unpaired(values_by_case(candidate), values_by_case(baseline))
    ours, theirs = found.candidate, found.baseline
    return Comparison(
        found.method,
        0,
        ours.n_cases + theirs.n_cases,
        found.difference,
        found.difference_ci95,
        found.p_value,
        UnpairedNeed(ours.good, ours.n, theirs.good, theirs.n, ours.n_cases, theirs.n_cases),
    )


def _compare_scores(candidate: Cells, baseline: Cells) -> Comparison:
    """Graded scores; of arms without a common case no word, only p and interval."""
    need = None
    if share_no_case(candidate, baseline):
        found = score_difference_unpaired(values_by_case(candidate), values_by_case(baseline))
    else:
        found = score_difference(pairs_by_case(candidate, baseline))
        if all_on_unit_scale([candidate, baseline]):
            need = ScoreNeed(found.n_pairs, found.n_cases, found.variance, found.difference)
    return Comparison(
        found.method,
        found.n_pairs,
        found.n_cases,
        found.difference,
        found.difference_ci95,
        found.p_value,
        need,
        mixed_scores=all_binary([candidate]) != all_binary([baseline]),
    )
