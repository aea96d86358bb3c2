"""Scores of a judge, corrected by the labels of people, in a run as it is stored."""

import random

import pytest
from sqlmodel import Session

from core.database import Database
from evalsets.labels.service import Press, checked, item_of, save_label
from evalsets.models import Run
from evalsets.runs.report import run_json
from evalsets.statistics.judging import Judged, corrected_difference, corrected_share
from evalsets.statistics.rogan_gladen import rogan_gladen
from evalsets.verdicts.as_json import verdict_json
from evalsets.verdicts.service import verdict
from tests.support.runs_factory import make_run, score_run

CASES = 60
_rng = random.Random(5)
TRUTH = [_rng.random() < 0.6 for _ in range(CASES)]
SAYS = [good if _rng.random() < 0.85 else not good for good in TRUTH]


def judged(session: Session, *, arms: int = 1, dataset: str = "q", rubric: str = "Polite.") -> str:
    """A judge that is right about 85 % of the outputs; the second arm is worse on every third."""
    names = tuple(f"a@{n + 1} | m" for n in range(arms))
    run_id = make_run(session, cases=CASES, arms=names, imported=True, dataset=dataset)
    run = session.get_one(Run, run_id)
    frozen = {
        "name": "tone",
        "spec": {"kind": "judge", "rubric": rubric, "model": "echo"},
        "judge": {
            "prompt": {"messages": [{"role": "user", "content": "{{ case }}"}]},
            "prompt_name": "judge",
            "model": {"name": "echo", "settings": {"kind": "echo", "model": "echo"}},
        },
    }
    run.manifest = {**run.manifest, "evaluators": [frozen]}
    session.add(run)
    score_run(session, run_id, "tone", lambda c: float(_says(c.number // arms, c.arm)))
    return run_id


def _says(case: int, arm: int) -> bool:
    return SAYS[case] and not (arm == 1 and case % 3 == 0)


def _good(case: int, arm: int) -> bool:
    return TRUTH[case] and not (arm == 1 and case % 3 == 0)


def label(session: Session, run_id: str, cases: int, *, arms: int = 1, how: str = "queue") -> None:
    for number in range(cases * arms):
        content = checked("good" if _good(number // arms, number % arms) else "bad")
        save_label(session, item_of(session, run_id, number), content, Press(how))


def test_twenty_labels_correct_the_scores_of_all(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("user:ann") as session:
        run_id = judged(session)
        label(session, run_id, 24)
        found = verdict_json(verdict(session, run_id, by="tone"))["corrected"]
        shown = run_json(session, run_id)["judges"]
    wanted = corrected_share(
        [Judged(float(TRUTH[n]), float(SAYS[n])) for n in range(24)], [float(s) for s in SAYS[24:]]
    )
    (arm,) = found["arms"]
    assert (arm["method"], arm["n_labeled"], arm["n_judged"]) == ("ppi", 24, 60)
    assert wanted.ci95 is not None
    assert (arm["share_good"], tuple(arm["ci95"])) == (wanted.share, wanted.ci95)
    assert arm["lam"] == wanted.lam
    assert arm["rests_on"] == "24 labeled cases correct the scores of 60."
    assert found["agreement"]["labeled_good"] + found["agreement"]["labeled_bad"] == 24
    assert found["agreement"]["tpr_ci95"][0] < found["agreement"]["tpr"]
    assert shown == [{"evaluator": "tone", **found}]


def test_two_arms_are_compared_by_corrected_differences(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("user:ann") as session:
        run_id = judged(session, arms=2)
        label(session, run_id, 45, arms=2)
        found = verdict_json(verdict(session, run_id, by="tone"))["corrected"]
    human = [float(_good(n, 1)) - float(_good(n, 0)) for n in range(60)]
    judge = [float(_says(n, 1)) - float(_says(n, 0)) for n in range(60)]
    wanted = corrected_difference(list(map(Judged, human[:45], judge[:45])), judge[45:])
    (one,) = found["comparisons"]
    assert wanted.difference_ci95 is not None
    assert (one["method"], one["n_labeled"]) == ("ppi", 45)
    assert one["difference"] == wanted.difference
    assert tuple(one["difference_ci95"]) == wanted.difference_ci95
    assert one["p_value"] == wanted.p_value
    assert one["verdict"] == "baseline better"


def test_few_labels_and_labels_picked_by_hand_correct_nothing(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("user:ann") as session:
        few, picked = judged(session), judged(session, dataset="other", rubric="Kind.")
        label(session, few, 19)
        label(session, picked, 30, how="picked")
        arms = [verdict(session, run, by="tone").corrected for run in (few, picked)]
    (first,), (second,) = (one.arms for one in arms if one is not None)
    assert (first.method, first.share, first.ci95) == (None, None, None)
    assert first.rests_on == "19 of 20 labeled cases: label 1 more from a queue."
    assert (second.method, second.n_labeled) == (None, 30)
    assert "by hand" in second.rests_on


def test_error_rates_of_another_run_stand_in(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("user:ann") as session:
        label(session, judged(session, dataset="earlier"), 60)
        label(session, judged(session, dataset="stranger", rubric="Kind."), 60)
        run_id = judged(session, dataset="now")
        found = verdict(session, run_id, by="tone").corrected
    assert found is not None
    (arm,) = found.arms
    both = list(zip(TRUTH, SAYS, strict=True))
    wanted = rogan_gladen(
        judged_good=sum(SAYS), judged_n=60, tp=both.count((True, True)), human_good=sum(TRUTH),
        tn=both.count((False, False)), human_bad=60 - sum(TRUTH),
    )  # fmt: skip
    assert (arm.method, arm.n_labeled, arm.n_judged) == ("rogan_gladen", 60, 60)
    assert (arm.share, arm.ci95) == (wanted.share, wanted.ci95)
    assert "60 labels of other runs" in arm.rests_on


def test_unscored_cells_are_counted_apart_and_milliseconds_are_no_share(
    sqlite_db: Database,
) -> None:
    with sqlite_db.session_scope("user:ann") as session:
        run_id = make_run(session, cases=30, arms=("a@1 | m",), imported=True)
        score_run(session, run_id, "near", lambda c: None if c.number < 4 else 0.5)
        score_run(session, run_id, "latency", lambda c: 900.0)
        label(session, run_id, 26)
        near = verdict(session, run_id, by="near").corrected
        slow = verdict(session, run_id, by="latency").corrected
    assert slow is None
    assert near is not None
    assert (near.arms[0].unscored, near.arms[0].n_judged, near.arms[0].n_labeled) == (4, 26, 22)
    assert near.arms[0].share == pytest.approx(sum(TRUTH[4:26]) / 22)
