"""Arms given one by one: how they are written, what they ask, and what is refused."""

from typing import Any

import pytest

from core.database import Database
from core.errors import Invalid, NotFound
from evalsets.runs.arm_names import AskedArm, parse_arm, written
from evalsets.runs.arms import given_params
from evalsets.runs.listed import asked_of, text_of
from evalsets.runs.manifest import Arm, Manifest
from evalsets.runs.request import fit, resolve
from evalsets.runs.service import RunRequest, plan, start
from prompts import service as prompts
from tests.support.bases import fill, make_base, packaged
from tests.support.running import ACTOR, add_cases, add_model, add_prompt, run_row, work_on
from tests.support.witness import Witness

RAG = "{% for p in context %}{{ p.text }}{% endfor %} {{ topic }}"


def asking(*arms: str, **more: Any) -> RunRequest:
    return RunRequest.model_validate({"arms": arms, "dataset": "cases", **more})


def arms_of(db: Database, request: RunRequest) -> tuple[Arm, ...]:
    with db.read_scope() as session:
        draft = resolve(session, request)
    return fit(draft).manifest.arms


def names(db: Database, request: RunRequest) -> list[str]:
    return [arm.name for arm in arms_of(db, request)]


@pytest.fixture
def ready(sqlite_db: Database, w: Witness) -> Database:
    """The prompt `ask` in two versions, the models ok and slow, two cases."""
    add_prompt(sqlite_db, options={"temperature": 0.5})
    add_prompt(sqlite_db, text="Say {{ topic }}.")
    add_model(sqlite_db, w, "ok", params={"seed": 3})
    add_model(sqlite_db, w, "ok", name="slow")
    add_cases(sqlite_db, 2)
    with sqlite_db.session_scope(ACTOR) as session:
        prompts.set_alias(session, "ask", 1, "production")
    return sqlite_db


@pytest.mark.parametrize(
    ("text", "arm"),
    [
        ("a/b@2|demo", AskedArm("a/b@2", "demo")),
        (" a  |  demo ", AskedArm("a", "demo")),
        ("a | m | t=0.2 | top_p=1", AskedArm("a", "m", {"t": 0.2, "top_p": 1})),
        ('a | m | stop=["|"," x"] | user=me', AskedArm("a", "m", {"stop": ["|", " x"], "user": "me"})),
        ('a | m | stop="a | b" | t=null', AskedArm("a", "m", {"stop": "a | b", "t": None})),
        ("a | m | stop==", AskedArm("a", "m", {"stop": "="})),
        ("a | m | x=1 2 | y=NaN", AskedArm("a", "m", {"x": "1 2", "y": "NaN"})),
        ("a | m | top_k=3 | kb=docs@3 | top-k=4",
         AskedArm("a", "m", {"top_k": 3}, "docs@3", {"top_k": 4})),
        ("a | m | kb=1", AskedArm("a", "m", {}, "1")),
    ],
)  # fmt: skip
def test_an_arm_is_read_and_written_alike(text: str, arm: AskedArm) -> None:
    assert parse_arm(text) == arm
    assert parse_arm(arm.text) == arm


@pytest.mark.parametrize(
    "value", ["", " x", "a|b", "0.2", "true", "[1", "a\nb", "ß", 1.5, [1], None]
)
def test_a_value_reads_back_as_itself(value: Any) -> None:
    assert parse_arm(f"a | m | k={written(value)} | z=1").params == {"k": value, "z": 1}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("ask@2", "is no arm. Write PROMPT | MODEL"), ("| ok", "is no arm"), ("ask |", "is no arm"),
        ("ask | temperature=0.2", "is no arm"), ("ask | ok | hot", "not KEY=VALUE"),
        ("ask | ok |", "not KEY=VALUE"), ("ask | ok | hot | t=1", "not KEY=VALUE"),
        ("ask | ok | t=1 | t=2", "'t' stands twice"), ("ask | ok | kb=a | kb=b", "'kb' stands twice"),
        ("ask | ok | kb=", "names no base"), ("", "is no arm"), ("[" * 5000, "is no arm"),
    ],
)  # fmt: skip
def test_what_is_no_arm_is_refused_in_a_sentence(text: str, part: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_arm(text)
    assert part in refused.value.message
    assert len(refused.value.message) < 300


def test_each_arm_is_one_column_in_the_order_given(ready: Database) -> None:
    request = asking("ask | slow", "ask@production | ok | temperature=0.9 | user=me")
    first, second = arms_of(ready, request)
    assert (first.name, first.params) == ("ask@2 | slow", {})
    assert second.name == "ask@1 | ok | temperature=0.9 | user=me"
    assert second.params == {"seed": 3, "temperature": 0.9, "user": "me"}
    assert plan(ready, request).cells == 4
    dropped = arms_of(ready, asking("ask@1 | ok | seed=null"))[0]
    assert dropped.params == {"temperature": 0.5}


def test_arms_come_first_and_the_product_fills_up(ready: Database) -> None:
    both = asking("ask@2 | slow", prompts=("ask@1", "ask@2"), models=("ok", "slow"))
    assert names(ready, both) == ["ask@2 | slow", "ask@1 | ok", "ask@1 | slow", "ask@2 | ok"]
    params = (("temperature", 0), ("temperature", 1))
    mixed = asking("ask@2 | ok | temperature=1", prompts=("ask",), models=("ok",), params=params)
    assert names(ready, mixed) == ["ask@2 | ok | temperature=1", "ask@2 | ok | temperature=0"]


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        (asking("ask | ok", "ask@2 | ok"), "'ask@2 | ok' is given twice. Leave one out"),
        (asking("ask@1 | ok", "ask@1 | ok | temperature=0.5"), "are one arm. Leave one out"),
        (asking("ask@1 | ok", params=(("seed", 1),)), "--param belongs to --prompt and --model"),
        (asking("ask@1 | ok", kb=("docs",)), "--kb belongs to"),
        (asking("ask@1 | ok", retrieval=(("top_k", 1),)), "--retrieval belongs to"),
        (asking("ask@1 | ok", prompts=("ask@1",), models=("ok",), params=(("seed", 1),)),
         "Give that one as an arm, too"),
        (asking("ask@1 | ok | stream=true"), "Leave it out"),
        (asking("ask@1 | ok", mapping=("other:topic=x",)), "Name one of ask"),
        (asking("ask@1 | ok", evaluators=({"kind": "judge", "rubric": "Fine?"},), budget=1),
         "A budget needs prices"),
    ],
)  # fmt: skip
def test_what_is_not_one_column_each_is_refused(
    ready: Database, request_: RunRequest, part: str
) -> None:
    with pytest.raises(Invalid) as refused:
        plan(ready, request_)
    assert part in refused.value.message


@pytest.mark.parametrize("text", ["nothing | ok", "ask@9 | ok", "ask@beta | ok", "ask | none"])
def test_what_does_not_exist_is_named(ready: Database, text: str) -> None:
    with pytest.raises(NotFound) as refused:
        plan(ready, asking(text))
    assert any(part in refused.value.message for part in ("nothing", "9", "beta", "none"))


def test_columns_are_bound_by_prompt(ready: Database) -> None:
    add_cases(ready, [{"subject": "a"}, {"subject": "b"}], name="others")
    request = asking("ask@1 | ok", "ask@2 | slow", dataset="others", mapping=("ask:topic=subject",))
    assert [arm.mapping for arm in arms_of(ready, request)] == [{"topic": "subject"}] * 2


async def test_a_run_of_arms_runs_and_the_same_key_gives_it_again(ready: Database) -> None:
    request = asking("ask@1 | ok | temperature=0", "ask@2 | slow", idempotency_key="k")
    first = start(ready, ACTOR, request)
    assert (start(ready, ACTOR, request).run_id, first.created) == (first.run_id, True)
    await work_on(ready, first.run_id)
    run = run_row(ready, first.run_id)
    assert (run.total, run.succeeded) == (4, 4)
    arms = Manifest.model_validate(run.manifest).arms
    with ready.read_scope() as session:
        texts = [text_of(session, arm) or "" for arm in arms]
    assert texts == ["ask@1 | ok | temperature=0", "ask@2 | slow"]
    assert plan(ready, asking(*texts)).cached == 4, "listed again, an arm asks the same"


def test_an_arm_of_a_product_is_listed_with_the_parameters_that_its_name_lacks(
    ready: Database, w: Witness
) -> None:
    request = RunRequest(
        prompts=("ask@1",), models=("ok",), params=(("temperature", 0), ("seed", None)),
        dataset="cases",
    )  # fmt: skip
    arm = arms_of(ready, request)[0]
    assert (arm.name, arm.params) == ("ask@1 | ok", {"temperature": 0})
    with ready.read_scope() as session:
        assert asked_of(session, arm).text == "ask@1 | ok | temperature=0 | seed=null"
    add_model(ready, w, "ok", params={"top_p": 0.1})
    with ready.read_scope() as session:
        text = asked_of(session, arm).text
    assert text == "ask@1 | ok | temperature=0 | top_p=null", "the model has moved on"
    assert arms_of(ready, asking(text))[0].params == arm.params


def test_what_must_be_given_so_that_just_this_is_sent() -> None:
    assert given_params({"a": 1, "b": True}, {"a": 1.0, "b": 1}) == {"a": 1, "b": True}
    assert given_params({"a": None}, {"a": None}) == {}
    assert given_params({"a": [1]}, {"a": [1], "c": 0}) == {"c": None}


def test_an_arm_reads_from_a_base_of_its_own(ready: Database, tmp_path: Any) -> None:
    add_prompt(ready, "rag", RAG)
    (tmp_path / "cats.md").write_text("# Cats\n\nCats sleep for most of the day.\n")
    with packaged() as embedder:
        make_base(ready, embedder)
        fill(ready, embedder, tmp_path / "cats.md")
    request = asking(
        "rag | ok | kb=docs | top-k=3 | where=lang=en", "rag | ok | kb=docs@1 | query=topic",
        "rag | ok", "ask | ok",
    )  # fmt: skip
    arms = arms_of(ready, request)
    assert [arm.name for arm in arms] == [
        "rag@1 | ok | kb=docs@1 | top_k=3 | where=lang=en", "rag@1 | ok | kb=docs@1 | query=topic",
        "rag@1 | ok", "ask@2 | ok",
    ]  # fmt: skip
    first, second = arms[0].retrieval, arms[1].retrieval
    assert first is not None
    assert second is not None
    assert (first.settings.top_k, first.settings.where) == (3, (("lang", "en"),))
    assert (second.snapshot, second.query, arms[2].retrieval) == (1, "topic", None)
    with ready.read_scope() as session:
        texts = [text_of(session, arm) or "" for arm in arms]
    assert texts[1] == "rag@1 | ok | kb=docs@1 | query=topic"
    again = arms_of(ready, asking(*texts))
    assert [arm.retrieval for arm in again] == [arm.retrieval for arm in arms]
    for text, part in (
        ("ask | ok | kb=docs", "no variable 'context'"),
        ("rag | ok | kb=docs | hot=1", "no retrieval setting 'hot'"),
        ("rag | ok | kb=docs | query=2", "are variables"),
        ("rag | ok | kb=docs@new", "names no snapshot"),
    ):
        with pytest.raises(Invalid) as refused:
            arms_of(ready, asking(text))
        assert part in refused.value.message
    with pytest.raises(NotFound, match="nowhere"):
        arms_of(ready, asking("rag | ok | kb=nowhere"))
