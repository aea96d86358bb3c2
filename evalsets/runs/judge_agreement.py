"""How far the judges of a run agree with the people who labeled it (STATISTICS 9)."""

from collections import Counter
from typing import NamedTuple

from sqlmodel import Session, col, select

from evalsets.labels.state import LabelState, label_state
from evalsets.models import Cell, CellScore, Run
from evalsets.runs.cells import get_run
from evalsets.runs.manifest import FrozenEvaluator
from evalsets.statistics.cells import State
from evalsets.statistics.judging import JudgeRates, judge_rates

GOOD = 0.5
"""From this score on a judge says good."""
_RUNS_BACK = 50


class _Seen(NamedTuple):
    """A labeled cell: whether people call it good, and whether the judge does (null: unscored)."""

    human: bool
    judge: bool | None


class JudgeAgreement(NamedTuple):
    """A judge over the cells that people called good (`good`) or bad; `unscored` ones are out.

    `true_good` of the good ones it calls good, too, `true_bad` of the bad ones bad.
    """

    evaluator: FrozenEvaluator
    good: int
    bad: int
    unscored: int
    rates: JudgeRates
    true_good: int
    true_bad: int


def judge_agreements(session: Session, run_id: str) -> list[JudgeAgreement]:
    """One a judge, in the order of the run's evaluators; raises NotFound."""
    judges = [
        FrozenEvaluator.model_validate(one)
        for one in get_run(session, run_id).manifest["evaluators"]
        if one.get("judge") and one["spec"].get("kind") != "pairwise"
    ]
    if not judges:
        return []
    labels = label_state(session, run_id)
    return [agreement_of(session, run_id, one, labels) for one in judges]


def agreement_of(
    session: Session, run_id: str, judge: FrozenEvaluator, labels: LabelState
) -> JudgeAgreement:
    """One evaluator of a run beside its labels."""
    return _agreement(judge, _table(session, run_id, judge.name, labels))


def rates_elsewhere(session: Session, run_id: str, judge: FrozenEvaluator) -> JudgeAgreement:
    """The same judge over the labels of other runs, the newest 50."""
    query = select(Run.id, Run.manifest).where(Run.id != run_id)
    total: Counter[_Seen] = Counter()
    for other, manifest in session.exec(query.order_by(col(Run.id).desc()).limit(_RUNS_BACK)):
        for one in manifest.get("evaluators") or ():
            if one.get("judge") and _alike(FrozenEvaluator.model_validate(one), judge):
                labels = label_state(session, other)
                total += _table(session, other, one["name"], labels)
    return _agreement(judge, total)


def _alike(one: FrozenEvaluator, other: FrozenEvaluator) -> bool:
    """Whether two would judge alike: what they are called does not count."""
    plain = [{**each.spec, "name": None} for each in (one, other)]
    return plain[0] == plain[1] and one.judge == other.judge


def _table(session: Session, run_id: str, evaluator: str, labels: LabelState) -> "Counter[_Seen]":
    query = (
        select(Cell.item_key, CellScore.value)
        .join(CellScore, col(CellScore.cell) == col(Cell.number))
        .where(CellScore.run_id == run_id, CellScore.evaluator == evaluator)
        .where(Cell.run_id == run_id, Cell.state == "succeeded")
    )
    table: Counter[_Seen] = Counter()
    for item_key, value in session.exec(query):
        said = labels.state(item_key)
        if said in (State.GOOD, State.BAD):
            table[_Seen(said is State.GOOD, None if value is None else value >= GOOD)] += 1
    return table


def _agreement(judge: FrozenEvaluator, table: "Counter[_Seen]") -> JudgeAgreement:
    true_good, true_bad = table[_Seen(True, True)], table[_Seen(False, False)]
    missed, wrong = table[_Seen(True, False)], table[_Seen(False, True)]
    rates = judge_rates(
        human_good_judge_good=true_good,
        human_good_judge_bad=missed,
        human_bad_judge_good=wrong,
        human_bad_judge_bad=true_bad,
    )
    unscored = table[_Seen(True, None)] + table[_Seen(False, None)]
    good, bad = true_good + missed, true_bad + wrong
    return JudgeAgreement(judge, good, bad, unscored, rates, true_good, true_bad)
