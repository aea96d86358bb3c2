"""The prompts page: typing becomes a draft, a draft a version, and nobody is overwritten."""

import pytest

from app import example
from core.database import Database
from prompts import scenes, service
from prompts.content import MessageTemplate, PromptContent
from tests.support.pages import page, words

TEXT = "Tell {{ topic }} in {{ words }} words."


@pytest.fixture
def prompt(workspace, sqlite_db: Database) -> Database:
    with sqlite_db.session_scope("user:admin") as session:
        content = PromptContent(messages=(MessageTemplate(role="user", content=TEXT),))
        service.push(session, "tell", content, message="First", tags=["short"])
    return sqlite_db


def draft(database: Database):
    with database.read_scope() as session:
        return service.load_draft(session, "user:admin", "tell")


def newest(database: Database):
    with database.read_scope() as session:
        return service.get(session, "tell")


def test_catalogue_names_version_alias_and_tags(prompt):
    found = page("prompts")
    assert not found.exception
    frame = found.dataframe[0].value
    assert list(frame.iloc[0])[:2] == ["tell", "1"]
    assert "short" in list(frame.iloc[0])


def test_variables_become_typed_fields(prompt):
    found = page("prompts", id="tell")
    assert not found.exception
    labels = {area.label for area in found.text_area}
    assert {"topic", "words"} <= labels
    assert "declared as text when you save: topic\\, words" in words(found)


def test_a_value_makes_the_estimate_appear(prompt):
    found = page("prompts", id="tell")
    assert "has no value" in words(found)
    found.text_area(key="value_tell_topic_text").set_value("dogs").run()
    found.text_area(key="value_tell_words_text").set_value("five").run()
    assert "tokens in" in words(found)
    assert "has no value" not in words(found)


def test_a_version_may_name_its_model(prompt):
    found = page("prompts", id="tell")
    chosen = next(one for one in found.selectbox if one.label == "Model of this prompt")
    assert (chosen.value, chosen.options) == (None, ["demo", "echo"])
    chosen.set_value("echo").run()
    assert draft(prompt).content["model"] == "echo"
    next(one for one in found.selectbox if one.label == "Model of this prompt").set_value(None)
    found.run()
    assert draft(prompt) is None or draft(prompt).content["model"] is None


def test_typing_is_a_draft_at_once_and_survives_a_new_session(prompt):
    found = page("prompts", id="tell")
    found.text_area(key="message_0_0_0").set_value("Say {{ thing }}").run()
    assert draft(prompt).content["messages"][0]["content"] == "Say {{ thing }}"
    again = page("prompts", id="tell")
    assert again.text_area(key="message_0_0_0").value == "Say {{ thing }}"
    assert newest(prompt).version == 1


def test_save_makes_a_version_with_declared_variables_and_drops_the_draft(prompt):
    found = page("prompts", id="tell")
    found.text_area(key="message_0_0_0").set_value("Say {{ thing }} {{ how | default('') }}").run()
    found.text_input(key="save_message_tell_1").set_value("Shorter").run()
    found.button(key="save_version").click().run()
    assert not found.exception
    saved = newest(prompt)
    assert (saved.version, saved.message, saved.author) == (2, "Shorter", "user:admin")
    assert [(v.name, v.required) for v in saved.content.inputs] == [("thing", True), ("how", False)]
    assert draft(prompt) is None


def test_saving_without_a_change_makes_no_version(prompt):
    found = page("prompts", id="tell")
    found.button(key="save_version").click().run()
    first = newest(prompt).version  # the variables were declared by the save
    found = page("prompts", id="tell")
    found.button(key="save_version").click().run()
    assert newest(prompt).version == first


def test_a_newer_version_of_somebody_is_shown_and_not_overwritten(prompt):
    found = page("prompts", id="tell")
    found.text_area(key="message_0_0_0").set_value("Mine").run()
    with prompt.session_scope("user:ann") as session:
        theirs = PromptContent(messages=(MessageTemplate(role="user", content="Theirs"),))
        service.push(session, "tell", theirs)
    found.button(key="save_version").click().run()
    assert newest(prompt).content.messages[0].content == "Theirs"
    assert "ersion 2 by ann is newer than version 1" in words(found)
    found.button(key="save_on_top").click().run()
    assert newest(prompt).version == 3
    assert newest(prompt).content.messages[0].content == "Mine"


def test_a_broken_template_says_where_and_saves_nothing(prompt):
    found = page("prompts", id="tell")
    found.text_area(key="message_0_0_0").set_value("{{ topic").run()
    assert "Message 1, line 1" in words(found).replace("\\", "")
    found.button(key="save_version").click().run()
    assert newest(prompt).version == 1
    assert found.error


def test_messages_are_added_moved_and_removed(prompt):
    found = page("prompts", id="tell")
    found.button(key="message_0_0_prompts.move_down")  # disabled, but there
    next(b for b in found.button if b.label == "Add message").click().run()
    assert [m["role"] for m in draft(prompt).content["messages"]] == ["user", "assistant"]
    found.button(key="message_0_1_prompts.move_up").click().run()
    assert [m["role"] for m in draft(prompt).content["messages"]] == ["assistant", "user"]
    found.button(key="message_0_1_prompts.remove_message").click().run()
    assert len(draft(prompt).content["messages"]) == 1


def test_discarding_a_draft_gives_the_version_back(prompt):
    found = page("prompts", id="tell")
    found.text_area(key="message_0_0_0").set_value("Rubbish").run()
    found.run()
    found.button(key="save_discard").click().run()
    assert draft(prompt) is None
    assert found.text_area(key="message_1_0_1").value == TEXT


def test_run_asks_the_model_once_however_often_it_is_pressed(prompt, workspace):
    found = page("prompts", id="tell")
    found.selectbox(key="trial_model_tell").select("echo").run()
    found.text_area(key="value_tell_topic_text").set_value("dogs").run()
    found.text_area(key="value_tell_words_text").set_value("five").run()
    found.button(key="trial_run").click().run()
    assert not found.exception
    import time

    for _ in range(300):
        found.run()
        if "tokens in," in words(found):
            break
        time.sleep(0.1)
    from sqlmodel import select

    from connectors.models import Generation

    with prompt.read_scope() as session:
        rows = session.exec(select(Generation)).all()
    assert [(row.state, row.actor, row.prompt) for row in rows] == [
        ("succeeded", "user:admin", "tell")
    ]
    assert "dogs" in rows[0].output


@pytest.mark.parametrize("tab", ["edit", "history", "diff", "used"])
def test_every_tab_of_the_example(workspace, sqlite_db, tab):
    example.load(sqlite_db, "user:admin")
    found = page("prompts", id="news", tab=tab)
    assert not found.exception
    assert not found.error


def test_versions_stand_side_by_side(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    found = page("prompts", id="news", tab="diff", look="two")
    assert not found.exception
    assert found.segmented_control(key="prompts_look").value == "two"


def test_history_restores_an_old_version_as_a_new_one(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    found = page("prompts", id="news", tab="history", sel="1")
    next(b for b in found.button if b.label == "Restore as new version").click().run()
    with sqlite_db.read_scope() as session:
        assert service.get(session, "news").version == 3
        old = service.get(session, "news", 1).content
        assert service.get(session, "news").content == old


def test_an_alias_moves_with_its_reason(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    found = page("prompts", id="news", tab="history", sel="2", do="alias")
    next(i for i in found.text_input if i.label == "Reason").set_value("Better")
    next(b for b in found.button if b.label == "Move alias").click().run()
    with sqlite_db.read_scope() as session:
        move = service.alias_moves(session, "news", "production")[0]
    assert (move.from_version, move.to_version, move.reason) == (1, 2, "Better")


def test_a_new_prompt_opens(workspace, sqlite_db):
    found = page("prompts", do="new")
    next(i for i in found.text_input if i.label == "Name").set_value("a/b")
    next(a for a in found.text_area if a.label == "First message").set_value("Hello {{ you }}")
    next(b for b in found.button if b.label == "Create prompt").click().run()
    with sqlite_db.read_scope() as session:
        assert service.get(session, "a/b").content.messages[0].content == "Hello {{ you }}"


def test_what_is_typed_is_compared_with_production(prompt):
    found = page("prompts", id="tell")
    found.text_area(key="value_tell_topic_text").set_value("dogs").run()
    found.text_area(key="message_0_0_0").set_value("Shout {{ topic }}").run()
    found.button(key="trial_compare").click().run()
    assert not found.exception
    with prompt.read_scope() as session:
        (row,) = scenes.list_scenes(session, "user:admin")
        state = scenes.get(session, row.id).state
    assert [one.name for one in state.columns] == ["tell@1 | demo", "tell@1* | demo"]
    assert state.columns[1].content["messages"][0]["content"] == "Shout {{ topic }}"
    assert state.values == {"topic": "dogs"}
