"""Columns of the playground that read from a knowledge base, and who sees what they found."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.workspace.components import scene_opening
from core.database import Database
from core.models import User
from evalsets.datasets import service as datasets
from evalsets.datasets.edits import typed_cases
from prompts import scenes, service
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.scene import Reading, SceneState, column, of_columns
from rag import service as bases
from rag.access import restrict, set_rule
from rag.answer import Retrieval
from rag.embedders import Embedder
from rag.search_settings import SearchSettings
from rag.searching import Searcher
from tests.app.test_pages_playground import run_all, said, stored
from tests.support.bases import fill, make_base, packaged
from tests.support.pages import page, words

TEXT = "{% for p in context %}[{{ p.n }}] {{ p.text }}\n{% endfor %}{{ question }}"
QUESTION = Variable(name="question", example="Who sleeps all day [1]?")


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    with packaged() as found:
        yield found


@pytest.fixture
def grounded(workspace: Any, sqlite_db: Database, embedder: Embedder, tmp_path: Path) -> Database:
    """A base whose two documents are of two teams, and prompts with and without passages."""
    with sqlite_db.session_scope("user:admin") as session:
        for name, text in (("rag", TEXT), ("plain", "Say {{ question }}")):
            message = MessageTemplate(role="user", content=text)
            service.push(session, name, PromptContent(messages=(message,), inputs=(QUESTION,)))
    make_base(sqlite_db, embedder)
    for team, text in (("a", "Cats sleep for most of the day."), ("b", "Moles dig at night.")):
        path = tmp_path / f"{team}.md"
        path.write_text(f"# Team {team}\n\n{text}\n")
        fill(sqlite_db, embedder, path, meta={"team": team})
    return sqlite_db


def scene(database: Database, *arms: tuple[str, str | None], **state: Any) -> str:
    """A stored scene with a column for each prompt and base."""
    with database.session_scope("user:admin") as session:
        columns = []
        for name, kb in arms:
            version = service.get(session, name)
            one = column(version.content, prompt=name, version=1, model="echo")
            columns.append(one.model_copy(update={"kb": kb}))
        return scenes.create(session, of_columns(columns).replaced(**state)).id


def fields(found: AppTest) -> set[str]:
    return {area.label for area in found.text_area}


def links(found: AppTest) -> list[str]:
    protos = [one.proto for one in found.get("page_link")]
    return [one.label.replace("\\", "") for one in protos if "doc=" in one.query_string]


def asked(database: Database, scene_id: str) -> SceneState:
    """The scene once its first run has ended."""
    run_all(page("playground", scene=scene_id))
    state = stored(database, scene_id).state
    said(database, state)
    return state


def box(found: AppTest, column_id: str) -> Any:
    boxes = [one for one in found.selectbox if str(one.key).endswith(f"_{column_id}_0_kb")]
    return boxes[0] if boxes else None


def as_engineer(database: Database, **rule: list[str]) -> None:
    """Who looks is no administrator any more, and finds only what the rule allows."""
    with database.session_scope("system") as session:
        user = session.get_one(User, "admin")
        user.role = "engineer"
        session.add(user)
        set_rule(session, bases.get(session, "docs"), "user:admin", rule or None)


def test_a_base_fills_the_passages_in_and_they_are_no_longer_asked(grounded: Database):
    scene_id = scene(grounded, ("rag", None), ("rag", None), ("plain", None))
    found = page("playground", scene=scene_id)
    assert {"question", "context"} <= fields(found)
    assert box(found, "c3") is None
    box(found, "c1").set_value("docs").run()
    assert "context" in fields(found)  # of the second column
    box(found, "c2").set_value("docs").run()
    assert "context" not in fields(found)
    assert "passages not counted" in words(found)
    run_all(found)
    state = stored(grounded, scene_id).state
    rows = said(grounded, state)
    assert rows["c1"][0].output.startswith("[1] # Team a\n\nCats sleep")
    assert rows["c3"][0].output == "Say Who sleeps all day [1]?"
    assert state.columns[0].name == "rag@1 | echo | kb=docs"
    again = page("playground", scene=scene_id)
    assert not again.exception
    assert "Passages it was given, from docs" in words(again)
    assert links(again) == ["[1] a.md · cited", "[2] b.md · cited"] * 2
    assert "passages not counted" not in words(again)  # found lately
    assert "Asked before the last change" not in words(again)
    box(again, "c1").set_value(None).run()
    assert "context" in fields(again)
    assert "Asked before the last change" in words(again)


def test_a_drawing_searches_nothing_and_a_press_once(grounded: Database, monkeypatch: Any):
    searches: list[str] = []
    search = Searcher.search

    def counted(self: Searcher, kb: str, query: str, *args: Any, **how: Any) -> Any:
        searches.append(query)
        return search(self, kb, query, *args, **how)

    monkeypatch.setattr(Searcher, "search", counted)
    scene_id = scene(grounded, ("rag", "docs"), ("rag", "docs"), repeats=2)
    found = page("playground", scene=scene_id)
    assert searches == []
    run_all(found)
    said(grounded, stored(grounded, scene_id).state)
    assert len(searches) == 1
    run_all(page("playground", scene=scene_id))
    assert len(searches) == 1
    page("prompts", id="rag").selectbox(key="trial_base_rag").set_value("docs").run()
    assert len(searches) == 1  # the same question of the same base
    with grounded.session_scope("user:admin") as session:
        bases.save_retrieval(session, bases.get(session, "docs").id, {"top_k": 1})
    stale = page("playground", scene=scene_id)
    assert "Asked before the last change" in words(stale)
    run_all(stale)
    assert len(searches) == 2


def test_search_settings_of_a_column_make_an_arm_and_are_planned(grounded: Database):
    scene_id = scene(grounded, ("rag", "docs"), ("rag", "docs"))
    found = page("playground", scene=scene_id)
    next(o for o in found.selectbox if str(o.key).endswith("_c1_0_mode")).set_value("lexical").run()
    next(o for o in found.number_input if str(o.key).endswith("_c1_0_top_k")).set_value(1).run()
    state = stored(grounded, scene_id).state
    assert state.columns[0].name == "rag@1 | echo | kb=docs | mode=lexical | top_k=1"
    run_all(found)
    state = stored(grounded, scene_id).state
    said(grounded, state)
    assert [len(one.readings[0].sources) for one in state.columns] == [1, 2]
    with grounded.session_scope("user:admin") as session:
        datasets.push(session, "asked", typed_cases([{"question": "Who digs?"}]))
    found = page("playground", scene=scene_id)
    found.button(key="scene_dataset").click().run()
    assert not found.exception
    assert "for 2 cells" in words(found)
    assert found.multiselect(key="plan_arms").value == [
        "rag@1 | echo | kb=docs | mode=lexical | top_k=1",
        "rag@1 | echo | kb=docs",
    ]


def test_another_prompt_keeps_the_base_only_where_it_takes_passages(grounded: Database):
    scene_id = scene(grounded, ("rag", "docs"), ("plain", None))
    found = page("playground", scene=scene_id)
    next(one for one in found.selectbox if one.value == "rag").set_value("plain").run()
    assert stored(grounded, scene_id).state.columns[0].name == "plain@1 | echo"


def test_a_trial_on_a_base_is_compared_on_it(grounded: Database):
    found = page("prompts", id="rag")
    found.selectbox(key="trial_base_rag").set_value("docs").run()
    found.button(key="trial_compare").click().run()
    with grounded.read_scope() as session:
        (row,) = scenes.list_scenes(session, "user:admin")
        columns = scenes.get(session, row.id).state.columns
    assert [one.kb for one in columns] == ["docs", "docs"]


def test_an_arm_is_opened_on_the_base_and_the_settings_that_it_had(grounded: Database):
    with grounded.read_scope() as session:
        one = column(service.get(session, "rag").content, model="echo")
        base = bases.get(session, "docs")
        read = Retrieval(
            kb="an older name", base_id=base.id, snapshot=1, settings=SearchSettings(top_k=3)
        )
        opened = scene_opening.reading(session, one, read)
        assert (opened.kb, opened.search) == ("docs", {"top_k": 3})
        for other in (None, read.model_copy(update={"base_id": "gone"})):
            assert scene_opening.reading(session, one, other) == one


def test_a_base_that_is_gone_or_closed_is_told_in_its_column_alone(grounded: Database):
    scene_id = scene(grounded, ("rag", "gone"), ("plain", None), ("rag", "docs"))
    as_engineer(grounded)
    with grounded.session_scope("system") as session:
        restrict(session, bases.get(session, "docs"), True)
    found = page("playground", scene=scene_id)
    told = words(found).replace("\\", "")
    assert "There is no knowledge base gone any more." in told
    assert "You may not read the knowledge base docs." in told
    run_all(found)
    state = stored(grounded, scene_id).state
    assert [bool(one.refused) for one in state.columns] == [True, False, True]
    assert said(grounded, state)["c2"][0].state == "succeeded"
    assert box(found, "c3").options == ["docs"]  # only to be taken back
    with grounded.session_scope("system") as session:
        restrict(session, bases.get(session, "docs"), False)
    run_all(page("playground", scene=scene_id))
    said(grounded, stored(grounded, scene_id).state)
    assert "You may not read" not in words(page("playground", scene=scene_id))


def test_who_may_not_see_a_passage_sees_no_answer_made_of_it(grounded: Database):
    """The control: with the rule taken away the same page shows both."""
    scene_id = scene(grounded, ("rag", "docs"), ("plain", None), view="diff")
    asked(grounded, scene_id)
    assert links(page("playground", scene=scene_id))
    as_engineer(grounded, team=["a"])
    found = page("playground", scene=scene_id)
    shown = json.dumps([str(one.proto) for one in found.main]) + words(found)
    assert "Moles" not in shown
    assert "b.md" not in shown
    assert links(found) == []
    assert "passages that you may not read: 1" in words(found)
    case = page("playground", scene=scene_id, do="case", sel="c1")
    assert not any("Moles" in str(area.value) for area in case.text_area)
    code = page("playground", scene=scene_id, do="code", sel="c1")
    assert "Cats sleep" in words(code)
    assert "Moles" not in words(code)
    as_engineer(grounded)
    found = page("playground", scene=scene_id)
    assert any("b.md" in one for one in links(found))
    assert "may not read" not in words(found)
    assert "Moles" in words(page("playground", scene=scene_id, do="code", sel="c1"))


def test_what_somebody_else_asked_goes_by_the_rule_of_who_looks(grounded: Database):
    """Of a base that is gone no rule is left: its answers are for who asked."""
    scene_id = scene(grounded, ("rag", "docs"), ("plain", None))
    state = asked(grounded, scene_id)
    with grounded.session_scope("system") as session:
        for row in said(grounded, state).values():
            row[0].actor = "user:ann"
            session.add(row[0])
    as_engineer(grounded, team=["a", "b"])
    assert len(links(page("playground", scene=scene_id))) == 2
    with grounded.session_scope("system") as session:
        bases.delete_base(session, bases.get(session, "docs").id)
    found = page("playground", scene=scene_id)
    assert links(found) == []
    assert "passages that you may not read: 1" in words(found)
    with grounded.session_scope("system") as session:
        for row in said(grounded, state).values():
            row[0].actor = "user:admin"
            session.add(row[0])
    assert len(links(page("playground", scene=scene_id))) == 2


def test_blind_hides_the_base_and_withholds_what_may_not_be_seen(grounded: Database):
    scene_id = scene(grounded, ("rag", "docs"), ("plain", None), blind=True)
    asked(grounded, scene_id)
    found = page("playground", scene=scene_id)
    assert "docs" not in words(found)
    assert links(found) == []
    assert found.button(key="vote_a")
    as_engineer(grounded, team=["a"])
    found = page("playground", scene=scene_id)
    assert "vote_a" not in {one.key for one in found.button}
    assert "there is nothing to vote on" in words(found)
    assert "passages that you may not read: 1" in words(found)


def test_answers_that_are_kept_keep_the_passages_they_were_given():
    old = Reading(answers=("x", "y"), kb="docs", base_id="b", snapshot=1)
    one = column(PromptContent(messages=(MessageTemplate(role="user", content="x"),)))
    one = one.model_copy(update={"readings": (old,)})
    fresh = old.model_copy(update={"answers": ("z",), "snapshot": 2})
    after = one.model_copy(update={"readings": one.now_read(fresh, ["y", "z"])})
    found = [after.reading_of(key) for key in "xyz"]
    assert [None if one is None else one.snapshot for one in found] == [None, 1, 2]
