"""A judge of pairs asked in both orders: ties where it follows the place, and its bias as a number."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal

import pytest

from core.database import Database
from core.errors import Invalid
from evalsets.evaluators.pairwise import Pairwise
from evalsets.evaluators.subjects import Subject
from evalsets.models import CellScore, Run
from evalsets.runs.judged_pairs import NO_PARTNER
from evalsets.runs.report import run_json
from evalsets.runs.request import RunRequest
from evalsets.runs.service import plan, retry
from evalsets.verdicts.as_json import verdict_json
from evalsets.verdicts.service import verdict
from tests.support.running import (
    ACTOR,
    add_cases,
    add_model,
    add_prompt,
    begin,
    run_row,
    scores_of,
    work_on,
)
from tests.support.runs_factory import make_run
from tests.support.witness import Witness, witness


@pytest.fixture(scope="module")
def w() -> Iterator[Witness]:
    with witness() as running:
        yield running


def said(text: str, *, turned: bool = False) -> float | None:
    return Pairwise(rubric="x", turned=turned).parse(text).value


def test_what_a_judge_of_pairs_says() -> None:
    assert said('{"reason": "shorter", "verdict": "A"}') == 1
    assert said('{"reason": "shorter", "verdict": "A"}', turned=True) == 0
    assert said('```json\n{"verdict": "tie"}\n```') == 0.5
    assert said("Both are fine.\nVerdict: **B**") == 0
    assert said("<think>A</think>[[B]]", turned=True) == 1
    for nonsense in ("A and B", "", '{"verdict": "C"}', '{"reason": "A"}', "7", "I like A most"):
        assert said(nonsense) is None


def test_the_other_order_shows_the_other_answer_first() -> None:
    subject = Subject("ours", {"q": "x"}, expected="e", other="theirs")
    straight, turned = (
        json.loads(str(Pairwise(rubric="r", turned=way).variables(subject)["case"]))
        for way in (False, True)
    )
    assert (straight["A"], straight["B"], straight["expected"]) == ("ours", "theirs", "e")
    assert (turned["A"], turned["B"]) == ("theirs", "ours")
    assert Pairwise(rubric="r").unfit(Subject("ours")) == "there is no answer of the other arm"


FROZEN = {
    "judge": {
        "prompt": {"messages": [{"role": "user", "content": "{{ case }}"}]},
        "prompt_name": "pairwise",
        "model": {"name": "echo", "settings": {"kind": "echo", "model": "echo"}},
    }
}


def test_both_orders_together_are_the_judges_preference(sqlite_db: Database) -> None:
    """Of 40 pairs 24 say the candidate twice, 6 the baseline, 7 stay first, 2 second, 1 is half."""
    first = [1.0] * 24 + [0.0] * 6 + [1.0] * 7 + [0.0] * 2 + [1.0]
    second = [1.0] * 24 + [0.0] * 6 + [0.0] * 7 + [1.0] * 2 + [None]
    with sqlite_db.session_scope("user:ann") as session:
        run_id = make_run(session, cases=40, arms=("a@1 | m", "a@2 | m"), imported=True)
        run = session.get_one(Run, run_id)
        specs = [{"kind": "pairwise", "rubric": "r", "turned": way} for way in (False, True)]
        names = ("pairs", "pairs-turned")
        evaluators = [{"name": n, "spec": s, **FROZEN} for n, s in zip(names, specs, strict=True)]
        run.manifest = {**run.manifest, "evaluators": evaluators}
        session.add(run)
        for name, scores in zip(names, (first, second), strict=True):
            # the candidate's cells are the odd ones
            session.add_all(
                CellScore(run_id=run_id, cell=2 * n + 1, evaluator=name, value=value)
                for n, value in enumerate(scores)
            )
        session.flush()
        found = verdict_json(verdict(session, run_id, by="pairs"))
        turned = verdict_json(verdict(session, run_id, by="pairs", baseline="a@2 | m"))
        people = verdict_json(verdict(session, run_id, by="preference"))
        shown = run_json(session, run_id)
    (one,) = found["comparisons"]
    assert (one["win"], one["tie"], one["loss"], one["verdict"]) == (24, 9, 6, "candidate better")
    assert (found["position"]["n"], found["unscored_pairs"]) == (39, 1)
    assert found["position"]["position_bias"] == pytest.approx(5 / 39)
    assert found["position"]["inconsistent"] == pytest.approx(9 / 39)
    low, high = found["position"]["position_bias_ci95"]
    assert low < 5 / 39 < high
    assert [arm["rank"] for arm in found["arms"]] == [2, 1]
    assert turned["comparisons"][0]["loss"] == 24
    assert people["comparisons"][0]["n_pairs"] == 0
    assert "judges" not in shown


async def test_a_run_asks_each_pair_twice_and_once_only(sqlite_db: Database, w: Witness) -> None:
    db = sqlite_db
    add_prompt(db)
    for name in ("ok", "slow-20"):
        add_model(db, w, name, input_price=Decimal(1), output_price=Decimal(1))
    add_model(db, w, "judge", input_price=Decimal(1), output_price=Decimal(1))
    w.reply("judge", '{"reason": "it stands first", "verdict": "A"}')
    add_cases(db, 12)
    judge = {"kind": "pairwise", "rubric": "Is it better?", "model": "judge"}
    asked = RunRequest(
        prompts=("ask",), models=("ok", "slow-20"), dataset="cases", evaluators=(judge,)
    )
    assert plan(db, asked).evaluation.calls == 24
    run_id = begin(db, "ok", "slow-20", evaluators=(judge,))
    await work_on(db, run_id)
    run, found = run_row(db, run_id), scores_of(db, run_id)
    assert (run.status, run.judge_calls) == ("completed", w.counts("judge").requests)
    assert run.judge_calls + run.judge_cached == len(found) == 24
    assert {found[n, "pairwise"].value for n, name in found if name == "pairwise"} == {1.0}
    assert {found[n, name].value for n, name in found if name == "pairwise-turned"} == {0.0}
    with db.read_scope() as session:
        read = verdict(session, run_id, by="pairwise-turned")
    assert read.position is not None
    assert (read.position.position_bias, read.position.inconsistent) == (1.0, 1.0)
    assert read.ranking is not None
    assert {one.tie for one in read.ranking.figures.values()} == {12}


async def test_a_pair_without_its_other_half_is_unscored_until_it_is_retried(
    sqlite_db: Database, w: Witness
) -> None:
    db = sqlite_db
    add_prompt(db)
    add_model(db, w, "r400", name="broken")
    add_model(db, w, "ok")
    add_model(db, w, "judge")
    w.reply("judge", '{"verdict": "tie"}')
    add_cases(db, 3)
    judge = {"kind": "pairwise", "rubric": "Is it better?", "model": "judge"}
    run_id = begin(db, "broken", "ok", evaluators=(judge,))
    await work_on(db, run_id)
    found = scores_of(db, run_id)
    assert len(found) == 6
    assert {(one.value, one.reason) for one in found.values()} == {(None, NO_PARTNER)}
    retry(db, ACTOR, run_id)
    assert not scores_of(db, run_id)


def test_one_arm_alone_and_an_arm_that_is_not_there_are_refused(
    sqlite_db: Database, w: Witness
) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok")
    add_model(sqlite_db, w, "judge")
    add_cases(sqlite_db, 2)
    judge = {"kind": "pairwise", "rubric": "Is it better?", "model": "judge"}
    with pytest.raises(Invalid, match="compares arms"):
        begin(sqlite_db, "ok", evaluators=(judge,))
    with pytest.raises(Invalid, match=re.escape("no arm 'x'")):
        begin(sqlite_db, "ok", "judge", evaluators=({**judge, "against": "x"},))
