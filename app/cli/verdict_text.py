"""The verdict's words for a terminal, and what its reader must know beside them."""

from collections.abc import Iterator

from evalsets.statistics.comparison import Comparison
from evalsets.statistics.words import Word, round_up
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
    if found.annotators_agree_little:
        yield (
            f"The annotators agree little (Krippendorff's alpha {found.alpha_agreement:.2f}): talk "
            "about the guidelines first."
        )


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
