"""A verdict as `promptstone verdict --json` prints it; a figure without a value is null."""

from typing import Any

from evalsets.statistics.comparison import Comparison
from evalsets.statistics.preference import PositionOfJudge, PreferenceFigures
from evalsets.statistics.verdict import ArmShare
from evalsets.verdicts.corrected_json import corrected_json
from evalsets.verdicts.figures_json import difference_json, interval_json, word
from evalsets.verdicts.looks import PlanState
from evalsets.verdicts.service import RunVerdict


def verdict_json(found: RunVerdict) -> dict[str, Any]:
    """The document of CONTRACT.md, with what a reader must know about the labels beside it."""
    document: dict[str, Any] = {
        "run": found.run_id,
        "by": found.by,
        "baseline": found.baseline,
        "resolution": found.resolution,
        "looks": found.looks,
        "picked_by_hand": found.picked_by_hand,
        "annotators": list(found.annotators),
        "krippendorff_alpha": found.alpha_agreement,
        "annotators_agree_little": found.annotators_agree_little,
        "plan": _plan(found.plan),
        "arms": [_arm(one) for one in found.arms],
        "comparisons": [_comparison(one, found) for one in found.comparisons],
    }
    if found.ranking is not None:
        _add_ranking(document, found)
    if found.position is not None:
        document["position"] = _position(found.position)
        document["unscored_pairs"] = found.unscored_pairs
    if found.corrected is not None:
        document["corrected"] = corrected_json(found.corrected)
    return document


def _plan(plan: PlanState | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    return {
        "queue": plan.queue_id,
        "pairs": plan.pairs,
        "extensions": plan.sequence,
        "complete": plan.complete,
        "lacking": plan.lacking,
        "labels_since": plan.labels_since,
    }


def _arm(one: ArmShare) -> dict[str, Any]:
    return {
        "arm": one.arm,
        "n": one.n,
        "good": one.good,
        "share": one.share,
        "ci95": interval_json(one.ci95),
        "rank": one.rank,
        "n_cases": one.n_cases,
        "skipped": one.counts.skipped,
        "disputed": one.counts.disputed,
        "unlabeled": one.counts.unlabeled,
        "failed": one.counts.failed,
    }


def _comparison(one: Comparison, found: RunVerdict) -> dict[str, Any]:
    """Counts of skipped, disputed, unlabeled and failed are cells of both arms."""
    both = (one.candidate_counts, one.baseline_counts)
    return {
        "baseline": one.baseline,
        "candidate": one.candidate,
        "n_pairs": one.n_pairs,
        "n_cases": one.n_cases,
        "both": _whole(one.both),
        "only_candidate": one.only_candidate,
        "only_baseline": one.only_baseline,
        "neither": _whole(one.neither),
        **difference_json(one),
        "p_anytime": one.p_anytime,
        "alpha": one.alpha,
        "interim": one.interim,
        "resolution": one.resolution,
        "looks": found.looks,
        "verdict_failed_as_bad": word(one.verdict_failed_as_bad),
        "mixed_scores": one.mixed_scores,
        "skipped": sum(counts.skipped for counts in both),
        "disputed": sum(counts.disputed for counts in both),
        "unlabeled": sum(counts.unlabeled for counts in both),
        "failed": sum(counts.failed for counts in both),
    }


def _whole(count: float | None) -> float | int | None:
    """Pairs are counted whole; half a tie on each side is not."""
    return int(count) if count is not None and count == int(count) else count


def _add_ranking(document: dict[str, Any], found: RunVerdict) -> None:
    ranking = found.ranking
    assert ranking is not None
    document["nu"] = ranking.nu
    document["unconnected"] = [list(group) for group in ranking.unconnected]
    for arm in document["arms"]:
        ranked = ranking.ranked.get(arm["arm"])
        arm["log_strength"] = ranked.log_strength if ranked else None
        arm["rank_ci95"] = list(ranked.rank_ci95) if ranked else None
    for comparison in document["comparisons"]:
        # a tie is neither good for both nor for none: the table of pairs does not exist here
        comparison["both"] = comparison["neither"] = None
        comparison.update(_preferences(ranking.figures[comparison["candidate"]]))


def _position(one: PositionOfJudge) -> dict[str, Any]:
    return {
        "n": one.n,
        "inconsistent": one.inconsistent,
        "inconsistent_ci95": interval_json(one.inconsistent_ci95),
        "position_bias": one.position_bias,
        "position_bias_ci95": interval_json(one.position_bias_ci95),
        "p_value": one.p_value,
    }


def _preferences(figures: PreferenceFigures) -> dict[str, Any]:
    return {
        "win": figures.win,
        "tie": figures.tie,
        "loss": figures.loss,
        "win_share": figures.win_share,
        "win_share_ci95": interval_json(figures.win_share_ci95),
    }
