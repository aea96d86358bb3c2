"""The playground: columns asked at once, each on its own; scenes shared, votes blind, one press."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import select
from streamlit.testing.v1 import AppTest

from app.workspace.components import scene_votes
from app.workspace.components.scene_asking import answers
from connectors.models import Generation, ModelSettings
from connectors.service import add_model
from core.database import Database
from core.models import User
from evalsets.models import OutputPreference
from prompts import scenes, service
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.models import PromptDraft
from prompts.scene import SceneState, column, of_columns
from tests.support.pages import page, words
from tests.support.talker import talking

ASK = PromptContent(
    messages=(MessageTemplate(role="user", content="Say {{ word }}"),),
    inputs=(Variable(name="word", example="dog"),),
)


@pytest.fixture
def ask(workspace: Any, sqlite_db: Database) -> Database:
    with sqlite_db.session_scope("user:admin") as session:
        service.push(session, "ask", ASK)
        louder = (MessageTemplate(role="user", content="Shout {{ word }}"),)
        service.push(session, "ask", ASK.model_copy(update={"messages": louder}))
    return sqlite_db


def scene(database: Database, *models: str, **state: Any) -> str:
    """A stored scene with a column for each model, on version 1, 2, 1, …"""
    with database.session_scope("user:admin") as session:
        columns = []
        for place, model in enumerate(models):
            version = service.get(session, "ask", place % 2 + 1)
            columns.append(
                column(version.content, prompt="ask", version=version.version, model=model)
            )
        return scenes.create(session, of_columns(columns).replaced(**state)).id


def stored(database: Database, scene_id: str) -> scenes.StoredScene:
    with database.read_scope() as session:
        return scenes.get(session, scene_id)


def said(database: Database, state: SceneState) -> dict[str, list[Generation]]:
    """The calls of each column, once none is under way."""
    deadline = time.monotonic() + 20
    while True:
        with database.read_scope() as session:
            rows = answers(session, state)
        if all(row.state != "sent" for row in rows.values()):
            return {one.id: [rows[a] for a in one.answers] for one in state.columns}
        assert time.monotonic() < deadline
        time.sleep(0.02)


def calls(database: Database) -> int:
    with database.read_scope() as session:
        return len(list(session.exec(select(Generation))))


def run_all(found: AppTest) -> AppTest:
    return found.button(key="scene_run").click().run()


def test_the_first_scene_holds_the_prompt_that_was_touched_and_asks_for_a_second(ask: Database):
    found = page("playground")
    assert "No comparisons yet" in words(found)
    found.button(key="scene_new").click().run()
    assert not found.exception
    assert "Add a second column to compare." in words(found)
    (row,) = _scenes(ask)
    assert row.state.columns[0].name == "ask@2 | demo"
    found.button(key="scene_add").click().run()
    assert [one.name for one in stored(ask, row.id).state.columns] == ["ask@2 | demo"] * 2
    assert "Add a second" not in words(found)


def _scenes(database: Database) -> list[scenes.StoredScene]:
    with database.read_scope() as session:
        return [scenes.get(session, one.id) for one in scenes.list_scenes(session, "user:admin")]


def test_all_columns_are_asked_with_the_shared_values_and_told_with_their_figures(ask: Database):
    scene_id = scene(ask, "echo", "echo")
    found = page("playground", scene=scene_id)
    values = found.text_area
    next(one for one in values if one.label == "word").set_value("你好 😀").run()
    run_all(found)
    state = stored(ask, scene_id).state
    rows = said(ask, state)
    assert [rows["c1"][0].output, rows["c2"][0].output] == ["Say 你好 😀", "Shout 你好 😀"]
    again = page("playground", scene=scene_id)
    assert words(again).count("tokens in") == 3  # the estimate, and what each took
    assert "model=echo, stream=true" in words(again).replace("\\", "")


def test_one_column_that_fails_stops_no_other_and_is_retried_alone(ask: Database):
    scene_id = scene(ask, "echo", "gone", "echo")
    found = run_all(page("playground", scene=scene_id))
    state = stored(ask, scene_id).state
    rows = said(ask, state)
    assert rows["c1"][0].state == rows["c3"][0].state == "succeeded"
    assert "gone" in (state.columns[1].refused or "")
    assert any("gone" in one.value for one in found.error)
    before = state.columns[0].answers
    box = next(one for one in found.selectbox if one.label == "Model" and one.value == "gone")
    box.set_value("echo").run()
    found.button(key="retry_c2").click().run()
    state = stored(ask, scene_id).state
    assert said(ask, state)["c2"][0].output == "Shout dog"
    assert state.columns[0].answers == before
    assert calls(ask) == 3


def test_two_tabs_that_press_at_one_drawing_send_once(ask: Database):
    scene_id = scene(ask, "echo", "echo")
    one, other = page("playground", scene=scene_id), page("playground", scene=scene_id)
    run_all(one)
    said(ask, stored(ask, scene_id).state)
    run_all(other)
    assert calls(ask) == 2
    assert "changed in another tab" in words(other)
    other.button(key="scene_take").click().run()
    run_all(other)
    said(ask, stored(ask, scene_id).state)
    assert calls(ask) == 4


def _pressed_twice() -> None:
    """A script in which one drawing's button is heard twice, the second time after all ended."""
    import time

    from app.server import context
    from app.workspace.components import access, scene_asking, scene_copy
    from app.workspace.components.scene_looks import look

    access.sign_in()
    copy = scene_copy.here()
    drawn, turns = look(copy).drawn, {one.id: one.turn for one in copy.mine.columns}
    for _ in range(2):
        scene_asking.ask_all(copy, drawn, 0)
        scene_asking.ask_again(copy, drawn, turns)
        ids = [answer for one in copy.mine.columns for answer in one.answers]
        while any(context.current().generations.text(one) is not None for one in ids):
            time.sleep(0.01)


def test_a_press_that_is_heard_twice_sends_once(ask: Database):
    scene_id = scene(ask, "echo", "echo")
    script = AppTest.from_function(_pressed_twice, default_timeout=30)
    script.query_params["scene"] = scene_id
    assert not script.run().exception
    said(ask, stored(ask, scene_id).state)
    assert calls(ask) == 2


def test_repeats_give_as_many_answers_a_column(ask: Database):
    scene_id = scene(ask, "echo", "echo", repeats=3)
    run_all(page("playground", scene=scene_id))
    rows = said(ask, stored(ask, scene_id).state)
    assert [len(one) for one in rows.values()] == [3, 3]
    assert "3 answers, 1 different" in words(page("playground", scene=scene_id))


def test_a_change_in_another_tab_is_a_conflict_and_both_are_kept(ask: Database):
    scene_id = scene(ask, "echo", "echo")
    found = page("playground", scene=scene_id)
    with ask.session_scope("user:admin") as session:
        theirs = stored(ask, scene_id)
        scenes.save(session, scene_id, theirs.state.replaced(repeats=4), revision=1)
    next(one for one in found.text_area if one.label == "word").set_value("mine").run()
    assert "changed in another tab" in words(found)
    assert stored(ask, scene_id).state.values == {}
    found.button(key="scene_keep").click().run()
    kept = [one for one in _scenes(ask) if one.id != scene_id]
    assert [one.state.values for one in kept] == [{"word": "mine"}]
    assert stored(ask, scene_id).state.repeats == 4


def test_somebody_elses_scene_is_looked_at_and_copied_by_the_first_change(ask: Database):
    with ask.session_scope("user:ann") as session:
        theirs = scenes.create(session, of_columns([column(ASK, model="echo")] * 2))
    found = page("playground", scene=theirs.id)
    assert "Say {{ word }}" in {one.value for one in found.text_area}
    assert _scenes(ask) == []
    next(one for one in found.text_area if one.label == "word").set_value("mine").run()
    assert not found.exception
    (mine,) = _scenes(ask)
    assert (mine.copied_from, mine.state.values) == (theirs.id, {"word": "mine"})
    assert stored(ask, theirs.id) == theirs
    assert mine.id in found.query_params["scene"]


def test_blind_tells_no_arm_until_the_vote_which_is_kept(ask: Database, monkeypatch: Any):
    monkeypatch.setattr(scene_votes, "too_fast", lambda *_: False)
    scene_id = scene(ask, "echo", "echo", blind=True)
    found = run_all(page("playground", scene=scene_id))
    said(ask, stored(ask, scene_id).state)
    found = page("playground", scene=scene_id)
    shown = words(found)
    for word in ("echo", "ask@", "tokens", "unpriced", "$", " ms"):
        assert word not in shown, word
    assert found.selectbox.len == 1  # "Go to" alone
    found.button(key="vote_a").click().run()
    assert not found.exception
    with ask.read_scope() as session:
        (row,) = session.exec(select(OutputPreference))
    assert (row.place, row.preference, row.annotator) == (f"scene:{scene_id}", "a", "admin")
    assert {row.arm_a, row.arm_b} == {"ask@1 | echo", "ask@2 | echo"}
    assert {row.output_a, row.output_b} == {"Say dog", "Shout dog"}
    assert row.inputs == {"word": "dog"}
    state = stored(ask, scene_id).state
    assert not state.hidden
    assert "Votes won" in words(found)
    assert "Votes kept of this comparison: 1" in words(found)


def test_blind_shows_calls_of_tools_and_not_which_arm_has_mocks(ask: Database):
    scene_id = scene(ask, "echo", "echo")
    state = stored(ask, scene_id).state.replaced(blind=True)
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    mocks = [{"tool": "weather", "result": "rain"}]
    mocked = {**state.columns[0].content, "tools": [tool], "mocks": mocks}
    with ask.session_scope("user:admin") as session:
        scenes.save(session, scene_id, state.with_column("c1", content=mocked), revision=1)
    run_all(page("playground", scene=scene_id))
    rows = said(ask, stored(ask, scene_id).state)
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    with ask.session_scope("system") as session:
        for (row,) in rows.values():
            row.tool_calls = [call]
            session.add(row)
    found = page("playground", scene=scene_id)
    assert not found.exception
    captions = [str(one.value) for one in found.caption]
    assert sum("weather" in one for one in captions) == 2
    ends = [one for one in captions if "waits for its tools" in one]
    assert len(ends) == 2, captions
    assert len(set(ends)) == 1
    assert "echo" not in words(found)


def test_a_press_right_after_the_answers_came_is_no_vote(ask: Database):
    scene_id = scene(ask, "echo", "echo", blind=True)
    run_all(page("playground", scene=scene_id))
    said(ask, stored(ask, scene_id).state)
    found = page("playground", scene=scene_id)
    found.button(key="vote_b").click().run()
    assert stored(ask, scene_id).state.hidden


@pytest.fixture
def slow(ask: Database) -> Iterator[Database]:
    with talking() as talker:
        settings = ModelSettings(base_url=talker.url, model="held")
        with ask.session_scope("system") as session:
            add_model(session, "slow", settings, allow_local=True)
        yield ask


def test_one_column_is_stopped_alone_and_then_all(slow: Database):
    scene_id = scene(slow, "slow", "slow", "slow")
    found = run_all(page("playground", scene=scene_id))
    assert found.button(key="scene_run").disabled
    state = stored(slow, scene_id).state
    _until(slow, state, lambda rows: all(rows[c.answers[0]] == "sent" for c in state.columns))
    time.sleep(0.2)
    found.button(key="stop_c2").click().run()
    ids = [one.answers[0] for one in state.columns]
    _until(slow, state, lambda rows: rows[ids[1]] == "stopped")
    _until(slow, state, lambda rows: rows[ids[0]] == rows[ids[2]] == "sent")
    found = page("playground", scene=scene_id)
    found.button(key="scene_stop").click().run()
    rows = said(slow, state)
    assert [one[0].state for one in rows.values()] == ["stopped"] * 3
    assert {one[0].output for one in rows.values()} == {"Say ", "Shout "}


def _until(database: Database, state: SceneState, holds: Any) -> None:
    deadline = time.monotonic() + 10
    while True:
        with database.read_scope() as session:
            rows = {key: row.state for key, row in answers(session, state).items()}
        if holds(rows):
            return
        assert time.monotonic() < deadline, rows
        time.sleep(0.02)


def test_a_run_over_a_data_set_is_planned_with_just_the_columns(ask: Database):
    scene_id = scene(ask, "echo", "demo", repeats=2)
    found = page("playground", scene=scene_id)
    found.button(key="scene_dataset").click().run()
    assert "plan_prompts" not in {one.key for one in found.multiselect}
    assert found.number_input(key="plan_repeats").value == 2
    assert found.multiselect(key="plan_arms").value == ["ask@1 | echo", "ask@2 | demo"]


def test_a_column_with_parameters_of_its_own_is_planned_with_them(ask: Database):
    scene_id = scene(ask, "echo", "echo", "echo")
    with ask.session_scope("user:admin") as session:
        stored_ = scenes.get(session, scene_id)
        first, second, third = stored_.state.columns
        hot = {**third.content, "options": {"temperature": 0.9, "stop": "a | b"}}
        changed = third.model_copy(update={"content": hot, "changed": True})
        same = second.model_copy(update={"prompt": "ask", "version": 1, "content": first.content})
        columns = (first, same, changed)
        scenes.save(session, scene_id, stored_.state.replaced(columns=columns), revision=1)
    found = page("playground", scene=scene_id)
    assert not found.button(key="scene_dataset").disabled
    found.button(key="scene_dataset").click().run()
    wanted = ["ask@1 | echo", 'ask@1 | echo | temperature=0.9 | stop="a | b"']
    assert found.multiselect(key="plan_arms").value == wanted, "equal columns are one arm"


def test_text_of_a_column_is_saved_as_a_version_and_the_draft_elsewhere_stays(ask: Database):
    scene_id = scene(ask, "echo", "echo")
    with ask.session_scope("user:admin") as session:
        service.save_draft(session, "ask", PromptDraft(based_on=2, content={"messages": []}))
    found = page("playground", scene=scene_id)
    area = next(one for one in found.text_area if one.value == "Shout {{ word }}")
    area.set_value("Whisper {{ word }}").run()
    state = stored(ask, scene_id).state
    assert state.columns[1].name == "ask@2* | echo"
    assert "unsaved text" in words(found)
    assert found.button(key="scene_dataset").disabled
    found.query_params["do"], found.query_params["sel"] = "version", "c2"
    found.run()
    _press(found, "Save version")
    assert not found.exception
    assert stored(ask, scene_id).state.columns[1].name == "ask@3 | echo"
    with ask.read_scope() as session:
        saved = service.get(session, "ask")
        assert saved.content.messages[0].content == "Whisper {{ word }}"
        assert service.load_draft(session, "user:admin", "ask") is not None


def _press(found: AppTest, label: str) -> None:
    next(one for one in found.button if one.label == label).click().run()


def test_code_of_a_column_is_exactly_its_request(slow: Database):
    scene_id = scene(slow, "slow", "echo")
    found = page("playground", scene=scene_id, do="code", sel="c1")
    shown = "\n".join(str(one.value) for one in found.code)
    assert "base_url='http://127.0.0.1:" in shown
    assert "'content': 'Say dog'" in shown
    assert '"model": "held"' in shown


def test_a_viewer_asks_nothing(ask: Database):
    scene_id = scene(ask, "echo", "echo")
    with ask.session_scope("system") as session:
        user = session.get_one(User, "admin")
        user.role = "viewer"
        session.add(user)
    assert page("playground", scene=scene_id).button(key="scene_run").disabled
