"""A judge beside the people who labeled what it scored."""

import pytest
from sqlmodel import Session

from core.database import Database
from evalsets.labels.queues import pick_label
from evalsets.labels.service import checked
from evalsets.models import Run
from evalsets.runs.judge_agreement import judge_agreements
from evalsets.statistics.shares import wilson
from tests.support.runs_factory import make_run, score_run

FROZEN = {
    "name": "tone",
    "spec": {"kind": "judge", "rubric": "Polite.", "model": "echo"},
    "judge": {
        "prompt": {"messages": [{"role": "user", "content": "{{ case }}"}]},
        "prompt_name": "judge",
        "model": {"name": "echo", "settings": {"kind": "echo", "model": "echo"}},
    },
}


def judged(session: Session) -> str:
    """Ten cases on one arm: the judge says good to the first six, nothing of the last."""
    run_id = make_run(session, arms=("a@1 | m",), imported=True)
    run = session.get_one(Run, run_id)
    run.manifest = {**run.manifest, "evaluators": [{"name": "exact", "spec": {}}, FROZEN]}
    session.add(run)
    score_run(session, run_id, "exact", lambda cell: 0.0)
    score_run(session, run_id, "tone", lambda c: None if c.number == 9 else float(c.number < 6))
    return run_id


def test_the_table_of_people_and_judge(sqlite_db: Database):
    with sqlite_db.session_scope("user:ann") as session:
        run_id = judged(session)
        for number, label in enumerate(["good"] * 4 + ["bad"] * 3 + ["good", "skip", "good"]):
            pick_label(session, run_id, number, checked(label))
        (found,) = judge_agreements(session, run_id)
    assert found.evaluator.name == "tone"
    assert (found.good, found.bad, found.unscored) == (5, 3, 1)
    assert (found.rates.tpr, found.rates.tpr_ci95) == (0.8, wilson(4, 5))
    assert (found.rates.tnr, found.rates.tnr_ci95) == (pytest.approx(1 / 3), wilson(1, 3))
    # 5 of 8 agree; by chance (5·6 + 3·2)/64.
    assert found.rates.kappa == pytest.approx((5 / 8 - 36 / 64) / (1 - 36 / 64))


def test_nobody_labeled(sqlite_db: Database):
    with sqlite_db.session_scope("user:ann") as session:
        (found,) = judge_agreements(session, judged(session))
    assert (found.good, found.bad, found.rates.tpr, found.rates.kappa) == (0, 0, None, None)


def test_rules_need_no_agreement(sqlite_db: Database):
    with sqlite_db.session_scope("user:ann") as session:
        assert judge_agreements(session, make_run(session, cases=2, imported=True)) == []
