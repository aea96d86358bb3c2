"""The verdict in words."""

from collections.abc import Iterator

from app.telling import figures
from app.telling.words import Say
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


def word(say: Say, one: Comparison) -> str:
    """One of the four words, or that there is none."""
    return say("verdict.no_word" if one.verdict is None else f"verdict.{_CODES[one.verdict]}")


def headline(say: Say, one: Comparison, by: str) -> str:
    """The claim in one sentence."""
    names = {"candidate": one.candidate, "baseline": one.baseline}
    if one.verdict is Word.CANDIDATE:
        return say("verdict.say_better", better=one.candidate, worse=one.baseline)
    if one.verdict is Word.BASELINE:
        return say("verdict.say_better", better=one.baseline, worse=one.candidate)
    if one.verdict is Word.NO_DIFFERENCE:
        return say("verdict.say_no_difference", **names)
    if one.verdict is Word.TOO_FEW:
        unlabeled = one.candidate_counts.unlabeled + one.baseline_counts.unlabeled
        if by != PREFERENCE and not unlabeled:
            return say("verdict.say_add_cases", **names)
        needed = round_up(one.labels_needed or 1)
        return say("verdict.say_too_few", n=figures.count(needed), **names)
    return say("verdict.say_interval", **names)


def evidence(say: Say, one: Comparison) -> str:
    """Difference, p, pairs and α, and what the reader must add in thought."""
    if one.difference is None:
        return say("verdict.no_pairs")
    text = say(
        "verdict.evidence",
        difference=figures.gap(say, one),
        p=figures.p_value(one.p_adjusted),
        n=figures.count(one.n_pairs or one.n_cases),
        alpha=f"{one.alpha:g}",
    )
    if one.verdict is Word.NO_DIFFERENCE:
        text += " " + say("verdict.not_equal")
    if one.interim:
        text += " " + say("verdict.interim")
    second = one.verdict_failed_as_bad
    if second is not None and second is not one.verdict:
        text += " " + say("verdict.failed_as_bad", word=say(f"verdict.{_CODES[second]}"))
    return text


def notes(say: Say, read: RunVerdict) -> Iterator[str]:
    """What a reader must know about the labels."""
    if read.by == LABEL and read.plan is None and read.looks > 1:
        yield say("verdict.looks", n=read.looks)
    if read.plan is not None and not read.plan.complete:
        yield say("verdict.lacking", n=read.plan.lacking)
    if read.picked_by_hand:
        yield say("verdict.picked")
    if read.annotators_agree_little:
        yield say("verdict.disagree", alpha=f"{read.alpha_agreement:.2f}")
    if len(read.comparisons) > 1:
        yield say("verdict.holm", n=len(read.comparisons))
