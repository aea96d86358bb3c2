"""The verdict in words."""

from collections.abc import Iterator

from app.workspace.components import numbers
from app.workspace.strings import raw
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.words import Word, round_up
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.service import PREFERENCE, RunVerdict

_CODES = {
    Word.CANDIDATE: "candidate_better",
    Word.BASELINE: "baseline_better",
    Word.NO_DIFFERENCE: "no_difference",
    Word.TOO_FEW: "too_few",
}
_COLORS = {
    Word.CANDIDATE: ("green", ":material/check:"),
    Word.BASELINE: ("red", ":material/close:"),
    Word.NO_DIFFERENCE: ("gray", ":material/remove:"),
    Word.TOO_FEW: ("orange", ":material/hourglass_empty:"),
}


def badge(one: Comparison) -> tuple[str, str, str]:
    """The word, its colour and its icon."""
    if one.verdict is None:
        return raw("verdict.no_word"), "gray", ":material/remove:"
    return raw(f"verdict.{_CODES[one.verdict]}"), *_COLORS[one.verdict]


def headline(one: Comparison, by: str) -> str:
    """The claim in one sentence."""
    names = {"candidate": one.candidate, "baseline": one.baseline}
    if one.verdict is Word.CANDIDATE:
        return raw("verdict.say_better", better=one.candidate, worse=one.baseline)
    if one.verdict is Word.BASELINE:
        return raw("verdict.say_better", better=one.baseline, worse=one.candidate)
    if one.verdict is Word.NO_DIFFERENCE:
        return raw("verdict.say_no_difference", **names)
    if one.verdict is Word.TOO_FEW:
        unlabeled = one.candidate_counts.unlabeled + one.baseline_counts.unlabeled
        if by != PREFERENCE and not unlabeled:
            return raw("verdict.say_add_cases", **names)
        needed = round_up(one.labels_needed or 1)
        return raw("verdict.say_too_few", n=numbers.count(needed), **names)
    return raw("verdict.say_interval", **names)


def evidence(one: Comparison) -> str:
    """Difference, p, pairs and α, and what the reader must add in thought."""
    if one.difference is None:
        return raw("verdict.no_pairs")
    text = raw(
        "verdict.evidence",
        difference=numbers.difference(one.difference, one.difference_ci95),
        p=numbers.p_value(one.p_adjusted),
        n=numbers.count(one.n_pairs or one.n_cases),
        alpha=f"{one.alpha:g}",
    )
    if one.verdict is Word.NO_DIFFERENCE:
        text += " " + raw("verdict.not_equal")
    if one.interim:
        text += " " + raw("verdict.interim")
    second = one.verdict_failed_as_bad
    if second is not None and second is not one.verdict:
        text += " " + raw("verdict.failed_as_bad", word=raw(f"verdict.{_CODES[second]}"))
    return text


def notes(read: RunVerdict) -> Iterator[str]:
    """What a reader must know about the labels."""
    if read.by == LABEL and read.plan is None and read.looks > 1:
        yield raw("verdict.looks", n=read.looks)
    if read.plan is not None and not read.plan.complete:
        yield raw("verdict.lacking", n=read.plan.lacking)
    if read.picked_by_hand:
        yield raw("verdict.picked")
    if read.annotators_agree_little:
        yield raw("verdict.disagree", alpha=f"{read.alpha_agreement:.2f}")
    if len(read.comparisons) > 1:
        yield raw("verdict.holm", n=len(read.comparisons))
