"""The verdict's words for a terminal, and what its reader must know beside them."""

from collections.abc import Iterator

from evalsets.statistics.comparison import Comparison
from evalsets.statistics.preference import PositionOfJudge
from evalsets.statistics.words import Word, round_up
from evalsets.verdicts.corrected import LEAST_LABELED, Corrected
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.service import PREFERENCE, RunVerdict


def points(value: float | None) -> str:
    """A difference of shares in points."""
    return "–" if value is None else f"{100 * value:+.1f} points"


def word(one: Comparison, by: str) -> str:
    """The word; with too few labels also what would decide."""
    if one.verdict is None:
        return "–"
    said = str(one.verdict.value)
    if one.verdict is not Word.TOO_FEW:
        return said
    unlabeled = one.candidate_counts.unlabeled + one.baseline_counts.unlabeled
    if by != PREFERENCE and not unlabeled:
        return f"{said} (all are labeled: add cases)"
    return f"{said} (about {round_up(one.labels_needed or 1)} more decide)"


def notes(found: RunVerdict) -> Iterator[str]:
    """Sentences about single comparisons, then about the labels."""
    for one in found.comparisons:
        yield from _about(one)
    if found.by == LABEL and found.plan is None and found.looks > 1:
        yield (
            f"These labels follow no plan and were read {found.looks} times; p holds for one look."
        )
    if found.plan is not None and not found.plan.complete:
        yield (
            f"Interim: the plan still waits for {found.plan.lacking} labels; until then only very "
            "strong evidence counts."
        )
    if found.picked_by_hand:
        yield "More than a tenth of the labels were picked by hand, outside a queue."
    if found.position is not None:
        yield from _position(found.position, found.unscored_pairs)
    if found.corrected is not None:
        yield from _corrected(found.corrected)
    if found.annotators_agree_little:
        yield (
            f"The annotators agree little (Krippendorff's alpha {found.alpha_agreement:.2f}): talk "
            "about the guidelines first."
        )


def _position(found: PositionOfJudge, unscored: int) -> Iterator[str]:
    """How far the judge went by the place of an answer."""
    bias, ci95 = found.position_bias, found.position_bias_ci95
    if bias is not None and ci95 is not None and found.inconsistent is not None:
        low, high = (f"{100 * edge:+.0f}" for edge in ci95)
        yield (
            f"The judge's word changed with the order in {100 * found.inconsistent:.0f} % of "
            f"{found.n} pairs, which are ties. Position bias {100 * bias:+.0f} points ({low} to "
            f"{high}); above 0 it favours what stands first."
        )
    if unscored:
        yield f"{unscored} pairs are unscored: the judge gave no word in one of the orders."


def _corrected(found: Corrected) -> Iterator[str]:
    """What people's labels make of an evaluator's scores, and what that rests on."""
    for arm in found.arms:
        if arm.share is not None and arm.ci95 is not None:
            low, high = (f"{100 * edge:.0f}" for edge in arm.ci95)
            said = f"share of good {100 * arm.share:.0f} % ({low}-{high})"
            yield f"Corrected by people, {arm.arm}: {said}. {arm.rests_on}"
        elif arm.n_labeled:
            yield f"Not corrected by people, {arm.arm}: {arm.rests_on}"
    for one in found.comparisons:
        if one.verdict is not None and one.n_cases >= LEAST_LABELED:
            said = f"{points(one.difference)}, {one.verdict.value}"
            yield f"Corrected by people, {one.candidate} against {one.baseline}: {said}."


def _about(one: Comparison) -> Iterator[str]:
    name = f"{one.candidate} against {one.baseline}"
    if one.verdict is Word.NO_DIFFERENCE:
        yield (
            f'{name}: not "equal"; a true difference of 20 points would almost surely have shown, '
            "one of 10 is often missed."
        )
    second = one.verdict_failed_as_bad
    if second is not None and second is not one.verdict:
        yield (
            f'{name}: were failed cells bad, the word would be "{second.value}". Retry them with '
            "`promptstone run retry`."
        )
