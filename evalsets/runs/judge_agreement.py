"""How far the judges of a run agree with the people who labeled it (STATISTICS 9)."""

from typing import NamedTuple

from sqlmodel import Session, col, select

from evalsets.labels.state import LabelState, label_state
from evalsets.models import Cell, CellScore
from evalsets.runs.cells import get_run
from evalsets.runs.manifest import FrozenEvaluator
from evalsets.statistics.cells import State
from evalsets.statistics.judging import JudgeRates, judge_rates

GOOD = 0.5
"""From this score on a judge says good."""


class JudgeAgreement(NamedTuple):
    """A judge over the cells that people called good (`good`) or bad; `unscored` ones are out."""

    evaluator: FrozenEvaluator
    good: int
    bad: int
    unscored: int
    rates: JudgeRates


def judge_agreements(session: Session, run_id: str) -> list[JudgeAgreement]:
    """One a judge, in the order of the run's evaluators; raises NotFound."""
    judges = [
        FrozenEvaluator.model_validate(one)
        for one in get_run(session, run_id).manifest["evaluators"]
        if one.get("judge")
    ]
    if not judges:
        return []
    labels = label_state(session, run_id)
    return [_agreement(session, run_id, one, labels) for one in judges]


def _agreement(
    session: Session, run_id: str, judge: FrozenEvaluator, labels: LabelState
) -> JudgeAgreement:
    query = (
        select(Cell.item_key, CellScore.value)
        .join(CellScore, col(CellScore.cell) == col(Cell.number))
        .where(CellScore.run_id == run_id, CellScore.evaluator == judge.name)
        .where(Cell.run_id == run_id, Cell.state == "succeeded")
    )
    table = dict.fromkeys(((h, j) for h in (True, False) for j in (True, False)), 0)
    unscored = 0
    for item_key, value in session.exec(query):
        said = labels.state(item_key)
        if said not in (State.GOOD, State.BAD):
            continue
        if value is None:
            unscored += 1
        else:
            table[said is State.GOOD, value >= GOOD] += 1
    rates = judge_rates(
        human_good_judge_good=table[True, True],
        human_good_judge_bad=table[True, False],
        human_bad_judge_good=table[False, True],
        human_bad_judge_bad=table[False, False],
    )
    good = table[True, True] + table[True, False]
    bad = table[False, True] + table[False, False]
    return JudgeAgreement(judge, good, bad, unscored, rates)
