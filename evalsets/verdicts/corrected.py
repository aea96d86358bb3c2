"""What a judge's scores say of good and bad once a sample of people's labels corrects them.

STATISTICS 9: the tuned prediction-powered mean where at least 20 cases of an arm carry a label and
were drawn at random; else the judge's error rates on labels of other runs, if there are any.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlmodel import Session

from evalsets.labels.state import LabelState, label_state
from evalsets.runs.cells import RunCell, RunCells
from evalsets.runs.judge_agreement import GOOD, JudgeAgreement, agreement_of, rates_elsewhere
from evalsets.runs.manifest import FrozenEvaluator
from evalsets.statistics.cells import State
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.judging import Judged, compare_judged, corrected_share
from evalsets.statistics.quantiles import Interval
from evalsets.statistics.rogan_gladen import rogan_gladen
from evalsets.statistics.verdict import decide
from evalsets.statistics.words import look_of
from evalsets.verdicts.scored_arms import scores_of

LEAST_LABELED = 20
PICKED_AT_MOST = 0.10
PPI, ROGAN_GLADEN = "ppi", "rogan_gladen"


@dataclass(frozen=True)
class CorrectedArm:
    """`method` null: no corrected share, for the reason in `rests_on`, which is a sentence.

    `n_labeled` and `n_judged` count cases (of Rogan and Gladen: labels elsewhere, cells here);
    `lam` is the trust in the judge, from 0 to 1; `unscored` counts cells without a score.
    """

    arm: str
    method: str | None
    share: float | None
    ci95: Interval | None
    n_labeled: int
    n_judged: int
    lam: float | None
    unscored: int
    rests_on: str


@dataclass(frozen=True)
class Corrected:
    """All arms, and each against the baseline by case differences (`method` ppi)."""

    arms: tuple[CorrectedArm, ...]
    comparisons: tuple[Comparison, ...]
    agreement: JudgeAgreement


class _Case(NamedTuple):
    """Means over the cells of one case in one arm; None where no cell has one."""

    human: float | None
    judge: float | None


_Cases = Mapping[str, _Case]


def corrected(
    session: Session, cells: RunCells, evaluator: str, baseline: str, resolution: float
) -> Corrected | None:
    """None for an evaluator whose scores are no shares of good, as milliseconds are none."""
    scores = scores_of(session, cells.run.id, evaluator)
    if any(value is not None and not 0 <= value <= 1 for value in scores.values()):
        return None
    frozen = next(
        (
            FrozenEvaluator.model_validate(one)
            for one in cells.run.manifest["evaluators"]
            if one["name"] == evaluator
        ),
        FrozenEvaluator(name=evaluator, spec={}),
    )
    labels = label_state(session, cells.run.id)
    by_arm = [_by_case(rows, labels, scores) for rows in cells.by_arm()]
    agreement = agreement_of(session, cells.run.id, frozen, labels)
    elsewhere: JudgeAgreement | None = None
    arms: list[CorrectedArm] = []
    for name, rows, found in zip(cells.arms, cells.by_arm(), by_arm, strict=True):
        arm = _by_labels(name, found, _unscored(rows, scores), labels)
        if arm.method is None and frozen.judge is not None:
            elsewhere = elsewhere or rates_elsewhere(session, cells.run.id, frozen)
            arm = _by_rates(arm, rows, scores, elsewhere) or arm
        arms.append(arm)
    first = cells.arms.index(baseline)
    compared = [
        replace(_compared(found, by_arm[first]), candidate=name, baseline=baseline)
        for name, found in zip(cells.arms, by_arm, strict=True)
        if name != baseline
    ]
    return Corrected(tuple(arms), tuple(decide(compared, look_of(None), resolution)), agreement)


def _by_case(
    rows: Iterable[RunCell], labels: LabelState, scores: Mapping[int, float | None]
) -> _Cases:
    people: dict[str, list[float]] = {}
    judged: dict[str, list[float]] = {}
    for row in rows:
        people.setdefault(row.key.case, [])
        if row.state != "succeeded":
            continue
        said, score = labels.state(row.item_key), scores.get(row.number)
        if said in (State.GOOD, State.BAD):
            people[row.key.case].append(float(said is State.GOOD))
        if score is not None:
            judged.setdefault(row.key.case, []).append(score)
    return {
        case: _Case(_mean(found), _mean(judged.get(case, ()))) for case, found in people.items()
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _unscored(rows: Iterable[RunCell], scores: Mapping[int, float | None]) -> int:
    return sum(row.state == "succeeded" and scores.get(row.number) is None for row in rows)


def _split(cases: _Cases) -> tuple[list[Judged], list[float]]:
    """Cases with both values, and the judge's of those that nobody labeled."""
    judged = [one for _, one in sorted(cases.items()) if one.judge is not None]
    both = [Judged(one.human, one.judge) for one in judged if one.human is not None]  # pyright: ignore[reportArgumentType]
    return both, [one.judge for one in judged if one.human is None]  # pyright: ignore[reportReturnType]


def _by_labels(name: str, cases: _Cases, unscored: int, labels: LabelState) -> CorrectedArm:
    both, alone = _split(cases)
    n, judged = len(both), len(both) + len(alone)
    nothing = CorrectedArm(name, None, None, None, n, judged, None, unscored, "")
    if n < LEAST_LABELED:
        why = f"{n} of {LEAST_LABELED} labeled cases: label {LEAST_LABELED - n} more from a queue."
        return replace(nothing, rests_on=why)
    if labels.picked > PICKED_AT_MOST * labels.count:
        return replace(nothing, rests_on="The labels were picked by hand: label from a queue.")
    found = corrected_share(both, alone)
    said = f"{n} labeled cases correct the scores of {judged}."
    return CorrectedArm(name, PPI, found.share, found.ci95, n, judged, found.lam, unscored, said)


def _by_rates(
    arm: CorrectedArm,
    rows: Iterable[RunCell],
    scores: Mapping[int, float | None],
    elsewhere: JudgeAgreement,
) -> CorrectedArm | None:
    """By error rates of other runs; None where nobody labeled enough of what it scored there."""
    if elsewhere.good + elsewhere.bad < LEAST_LABELED or not (elsewhere.good and elsewhere.bad):
        return None
    values = [v for row in rows if (v := scores.get(row.number)) is not None]
    found = rogan_gladen(
        judged_good=sum(value >= GOOD for value in values),
        judged_n=len(values),
        tp=elsewhere.true_good,
        human_good=elsewhere.good,
        tn=elsewhere.true_bad,
        human_bad=elsewhere.bad,
    )
    labeled = elsewhere.good + elsewhere.bad
    if found.share is None:
        said = f"The judge's error rates on {labeled} labels of other runs do not fit this run."
        return replace(arm, rests_on=f"{said} {arm.rests_on}")
    said = f"The judge's error rates on {labeled} labels of other runs; {arm.rests_on}"
    return replace(
        arm, method=ROGAN_GLADEN, share=found.share, ci95=found.ci95, n_labeled=labeled,
        n_judged=len(values), rests_on=said,
    )  # fmt: skip


def _compared(candidate: _Cases, baseline: _Cases) -> Comparison:
    """By the differences of cases that both arms have."""
    shared = sorted(candidate.keys() & baseline.keys())
    differences = {case: _difference(candidate[case], baseline[case]) for case in shared}
    return compare_judged(*_split(differences))


def _difference(one: _Case, other: _Case) -> _Case:
    human = None if one.human is None or other.human is None else one.human - other.human
    judge = None if one.judge is None or other.judge is None else one.judge - other.judge
    return _Case(human, judge)
