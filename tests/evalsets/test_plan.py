"""What the plan says before a run, against what the run then does."""

import time
from decimal import Decimal

import pytest

from core.database import Database
from core.errors import Invalid, NotFound
from evalsets.datasets.edits import typed_cases
from evalsets.datasets.service import push
from evalsets.runs.arms import build_arms
from evalsets.runs.bindings import parse_binding
from evalsets.runs.manifest import find_model
from evalsets.runs.matrix import matrix_page
from evalsets.runs.plan import plan_json
from evalsets.runs.service import RunRequest, plan
from prompts.content import Variable
from tests.support.running import (
    ACTOR,
    PRICES,
    add_cases,
    add_model,
    add_prompt,
    begin,
    run_row,
    work_on,
)
from tests.support.witness import Witness


def ask(*models: str, **more: object) -> RunRequest:
    whole = {"prompts": ("ask",), "models": models, "dataset": "cases", **more}
    return RunRequest.model_validate(whole)


async def test_the_plan_counts_calls_cached_and_unrunnable(db: Database, w: Witness) -> None:
    add_prompt(db)
    add_model(db, w, "ok", **PRICES)
    add_cases(db, [{"topic": "a"}, {"topic": "b"}, {"topic": None}, {"topic": "a"}])
    fresh = plan(db, ask("ok", repeats=2))
    assert (fresh.cells, fresh.calls, fresh.cached, fresh.unrunnable) == (8, 4, 2, 2)
    assert w.counts().requests == 0
    run_id = begin(db, "ok")
    await work_on(db, run_id)
    run = run_row(db, run_id)
    assert (run.calls, run.cached, run.failed) == (2, 1, 1)
    later = plan(db, ask("ok", repeats=2))
    assert (later.calls, later.cached, later.unrunnable) == (2, 4, 2)
    without = plan(db, ask("ok", repeats=2, cache=False))
    assert (without.calls, without.cached) == (4, 2)


async def test_output_tokens_are_those_of_earlier_answers_else_max_tokens_else_256(
    db: Database, w: Witness
) -> None:
    add_prompt(db)
    add_model(db, w, "ok", **PRICES)
    add_cases(db, 4)
    assert plan(db, ask("ok")).tokens.output == 4 * 256
    assert plan(db, ask("ok", params=(("max_tokens", 10),))).tokens.output == 40
    await work_on(db, begin(db, "ok", limit=2))
    known = plan(db, ask("ok", cache=False))
    assert known.tokens.output == 4 * len(["echo:", "Tell", "me", "about", "topic", "0."])
    given = known.tokens.input
    assert known.cost_usd == Decimal(given + 2 * known.tokens.output) / 10**6
    assert 4 * 5 <= given <= 4 * 15


def test_the_json_is_the_contracts(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok")
    add_cases(sqlite_db, 2)
    judge = {"kind": "judge", "rubric": "Is it fine?"}
    document = plan_json(plan(sqlite_db, ask("ok", evaluators=(judge,))))
    assert set(document) >= {
        *("cells", "calls", "cached", "unrunnable", "tokens", "cost_usd", "unpriced", "minutes")
    }
    assert document["unpriced"] == ["ok"]
    assert document["cost_usd"] is None
    assert document["evaluation"]["calls"] == 2


def test_a_variable_missing_in_every_case_is_refused(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok")
    add_cases(sqlite_db, [{"subject": "a"}, {"subject": "b"}])
    with pytest.raises(Invalid, match=r"'topic' .* has no value in any case"):
        plan(sqlite_db, ask("ok"))
    mapped = plan(sqlite_db, ask("ok", mapping=("topic=subject",)))
    assert mapped.calls == 2
    assert plan(sqlite_db, ask("ok", mapping=("ask:topic=subject",))).calls == 2


def test_what_does_not_exist_is_named(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok")
    add_cases(sqlite_db, 1)
    for request, name in [
        (ask("nobody"), "nobody"),
        (ask("ok", prompts=("nothing",)), "nothing"),
        (ask("ok", prompts=("ask@9",)), "9"),
        (ask("ok", dataset="none"), "none"),
        (ask("ok", dataset="cases@7"), "7"),
    ]:
        with pytest.raises(NotFound, match=name):
            plan(sqlite_db, request)
    with pytest.raises(Invalid):
        plan(sqlite_db, ask("ok", evaluators=("vibes",)))


def test_minutes_follow_from_latency_concurrency_and_rpm(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_model(sqlite_db, w, "ok", concurrency=10)
    add_model(sqlite_db, w, "ok", name="slow", concurrency=10, rpm=6)
    add_cases(sqlite_db, 60)
    assert plan(sqlite_db, ask("ok")).minutes == pytest.approx(60 * 2 / 10 / 60, abs=0.01)
    assert plan(sqlite_db, ask("ok", concurrency=20)).minutes == pytest.approx(0.1, abs=0.01)
    assert plan(sqlite_db, ask("slow", "ok")).minutes == pytest.approx(10)


def test_a_plan_of_20_000_cells_is_a_matter_of_seconds(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db, variables=(Variable(name="topic"),))
    add_model(sqlite_db, w, "ok")
    add_cases(sqlite_db, 2000)
    started = time.process_time()
    figures = plan(sqlite_db, ask("ok", repeats=10))
    assert figures.calls == 20_000
    assert time.process_time() - started < 6


def test_arms_are_named_by_what_differs(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db, options={"temperature": 0.5, "top_p": 1})
    add_model(sqlite_db, w, "ok", params={"temperature": 0.1, "seed": 3})
    add_cases(sqlite_db, 1)
    with sqlite_db.read_scope() as session:
        from evalsets.runs.service import resolve

        arms = resolve(
            session,
            ask("ok", params=(("temperature", 0), ("temperature", 1), ("presence_penalty", 1))),
        ).manifest.arms
        model = find_model(session, "ok")
    assert [arm.name for arm in arms] == [
        "ask@1 | ok | temperature=0", "ask@1 | ok | temperature=1",
    ]  # fmt: skip
    assert arms[0].params == {"temperature": 0, "top_p": 1, "seed": 3, "presence_penalty": 1}
    assert len(build_arms([arms[0].prompt] * 2, [model, model])) == 1  # type: ignore[list-item]


@pytest.mark.parametrize("text", ["topic", "=x", "topic=", ""])
def test_a_wrong_mapping_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_binding(text)


def test_a_mapping_that_no_prompt_reads_is_told(sqlite_db: Database, w: Witness) -> None:
    add_prompt(sqlite_db)
    add_prompt(sqlite_db, "plain", "Say hello.", variables=())
    add_model(sqlite_db, w, "ok")
    add_cases(sqlite_db, 1)
    for text in ("topick=topic", "ask:topick=topic"):
        assert plan(sqlite_db, ask("ok", mapping=(text,))).unread == ("topick",)
    alone = plan(sqlite_db, ask("ok", prompts=("plain",), mapping=("topic=topic",)))
    assert alone.unread == ("topic",)
    both = plan(sqlite_db, ask("ok", prompts=("ask", "plain"), mapping=("topic=topic",)))
    assert (both.cells, both.unread) == (2, ())


async def test_a_split_alone_is_planned_and_run(db: Database, w: Witness) -> None:
    add_prompt(db)
    add_model(db, w, "ok")
    splits = ("train", "holdout", None, "holdout", "holdout")
    rows = [{"topic": f"topic {n}", "split": split} for n, split in enumerate(splits)]
    with db.session_scope(ACTOR) as session:
        push(session, "cases", typed_cases(rows))
    assert plan(db, ask("ok", split="holdout")).cells == 3
    run_id = begin(db, "ok", split="holdout", limit=2)
    await work_on(db, run_id)
    assert (run_row(db, run_id).total, run_row(db, run_id).succeeded) == (2, 2)
    with db.read_scope() as session:
        page = matrix_page(session, run_id)
        assert [row.position for row in page.rows] == [1, 3]
    with pytest.raises(Invalid, match="no cases of the split 'dev'"):
        plan(db, ask("ok", split="dev"))
