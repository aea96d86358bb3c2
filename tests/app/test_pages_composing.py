"""Snippets on the pages: typed, tried, saved, and brought up to date by a press."""

import json
import time

import pytest

from app.workspace.components.working import TRY
from connectors.models import Generation
from core import drafts
from core.database import Database
from prompts import service
from prompts.checks import prepared
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.template import renderer
from tests.support import pages
from tests.support.pages import page


def words(found) -> str:
    """What the page says, without the marks that keep it from being Markdown."""
    told = [*(one.label for one in found.expander), pages.words(found)]
    return "\n".join(told).replace("\\", "")


def push(database: Database, name: str, text: str, alias: str | None = None, **more: object):
    content = PromptContent(messages=(MessageTemplate(role="user", content=text),), **more)  # type: ignore[arg-type]
    ready = prepared(content)
    with database.session_scope("user:admin") as session:
        return service.push(session, name, ready, alias=alias)


@pytest.fixture
def snippets(workspace, sqlite_db: Database) -> Database:
    tone = Variable(name="tone", kind="choice", choices=("kind", "dry"))
    push(sqlite_db, "tone", "Be {{ tone }}.", "production", inputs=(tone,))
    push(sqlite_db, "news", '{% include "tone@production" %} Tell {{ topic }}')
    return sqlite_db


def newest(database: Database, name: str = "news"):
    with database.read_scope() as session:
        return service.get(session, name)


def test_a_typed_include_is_tried_as_it_would_be_saved(snippets):
    push(snippets, "tell", "Tell {{ topic }}")
    found = page("prompts", id="tell")
    found.text_area(key="message_0_0_0").set_value('{% include "tone@nope" %}').run()
    assert "no alias 'nope'" in words(found)
    found.text_area(key="message_0_0_0").set_value('{% include "tone" %} {{ topic }}').run()
    assert not found.exception
    assert "declared as text when you save: tone" not in words(found)
    found.selectbox(key="value_tell_tone_choice").set_value("dry").run()
    found.text_area(key="value_tell_topic_text").set_value("dogs").run()
    assert "tokens in" in words(found)
    found.button(key="save_version").click().run()
    saved = newest(snippets, "tell").content
    assert [(v.name, v.kind) for v in saved.inputs] == [("tone", "choice"), ("topic", "text")]
    assert saved.includes[0].target == "tone@1"


def test_a_moved_snippet_offers_new_versions_and_shows_what_changes(snippets):
    assert "What would change" not in words(page("prompts", id="tone", tab="used"))
    push(snippets, "tone", "Stay {{ tone }}.", "production")
    assert "means version 2 now" in words(page("prompts", id="news", tab="used"))
    found = page("prompts", id="tone", tab="used")
    assert not found.exception
    said = words(found)
    assert "What would change (1)" in said
    assert "tone@1 → tone@2" in said
    assert newest(snippets).version == 1
    found.button(key="refresh_users").click().run()
    assert not found.exception
    assert newest(snippets).content.includes[0].version == 2
    assert "What would change" not in words(found)
    assert not page("prompts", id="news", tab="diff").exception


TOOL = '[{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]'


def draft(database: Database, name: str = "tell"):
    with database.read_scope() as session:
        return service.load_draft(session, "user:admin", name)


def kept(database: Database):
    found = draft(database)
    assert found is not None
    return found.content


def field(found, name: str):
    return found.text_area(key=f"option_tell_0_prompts.{name}")


def test_tools_and_their_mocks_are_settings(snippets):
    push(snippets, "tell", "Tell {{ topic }}")
    found = page("prompts", id="tell")
    field(found, "tools").set_value('[{"name": "look"}]').run()
    assert "Tool 1 has no `type: function`" in words(found)
    assert draft(snippets) is None
    field(found, "tools").set_value(TOOL).run()
    found.text_area(key="mock_tell_0_look").set_value('{"n": 7}').run()
    field(found, "mocks").set_value('[{"tool": "look"}]').run()
    assert "no list of objects with tool, arguments and result" in words(found)
    exact = '[{"tool": "look", "arguments": {"q": 1}, "result": "one"}]'
    field(found, "mocks").set_value(exact).run()
    assert not found.exception
    found.button(key="save_version").click().run()
    mocks = newest(snippets, "tell").content.mocks
    assert [(one.arguments, one.result) for one in mocks] == [({"q": 1}, "one"), (None, {"n": 7})]


def test_a_schema_is_checked_when_it_is_typed_and_when_it_is_answered(snippets):
    push(snippets, "tell", "Tell {{ topic }}")
    found = page("prompts", id="tell")
    field(found, "schema").set_value(
        '{"type": "object", "properties": {"a": {"type": "nope"}}}'
    ).run()
    assert "The output schema is wrong at properties.a.type" in words(found)
    schema = (
        '{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}'
    )
    field(found, "schema").set_value(schema).run()
    assert kept(snippets)["outputs"]["type"] == "object"


def test_a_list_of_turns_has_a_place_and_a_value(snippets):
    push(snippets, "tell", "Tell {{ topic }}")
    found = page("prompts", id="tell")
    found.button(key="add_thread").click().run()
    assert not found.exception
    assert kept(snippets)["inputs"] == [{"name": "history", "kind": "thread", "required": False}]
    box = found.text_area(key="value_tell_history_thread_json")
    box.set_value('[{"role": "robot", "content": "x"}]').run()
    assert "These turns" in words(found)
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "你好"}]
    found.text_area(key="value_tell_history_thread_json").set_value(json.dumps(turns)).run()
    assert not found.exception
    found.text_area(key="value_tell_topic_text").set_value("dogs").run()
    with snippets.read_scope() as session:
        tried = drafts.load_draft(session, "user:admin", TRY, "tell")
    assert tried is not None
    assert json.loads(tried.content)["values"]["history"] == turns
    assert "tokens in" in words(found)


def answered(found):
    for _ in range(300):
        found.run()
        if "tokens in," in words(found):
            return words(found)
        time.sleep(0.05)
    raise AssertionError("no answer came")


@pytest.mark.parametrize(
    ("said", "told"),
    [('{"a": ["x"]}', "Fits the output schema."), ('{"a": ["x", 7]}', "schema: at a/1: 7 is not")],
)
def test_a_trial_says_whether_the_answer_fits_the_schema(snippets, said, told):
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "string"}}},
    }
    push(snippets, "tell", "{{ topic }}", outputs=schema)
    found = page("prompts", id="tell")
    found.selectbox(key="trial_model_tell").select("echo").run()
    found.text_area(key="value_tell_topic_text").set_value(said).run()
    found.button(key="trial_run").click().run()
    assert told in answered(found)


def test_tool_calls_and_their_results_are_shown(snippets):
    push(snippets, "tell", "Tell")
    call = {"function": {"name": "look", "arguments": '{"q": "<b>x</b>"}'}}
    with snippets.session_scope("user:admin") as session:
        row = Generation(
            actor="user:admin", model="echo", state="succeeded", request={}, output="",
            tool_calls=[call], rounds=[{"tool_calls": [call], "results": ["**seven**"]}],
        )  # fmt: skip
        session.add(row)
        state = {"values": {}, "model": "echo", "generation": row.id}
        drafts.save_draft(session, TRY, "tell", json.dumps(state))
    found = page("prompts", id="tell")
    assert not found.exception
    said = words(found)
    assert said.count("Calls look") == 2
    assert "Mocked result of look" in said
    assert "waits for its tools" in said
    assert "**seven**" not in said


def test_a_renamed_snippet_keeps_its_pins_and_its_users_are_named(snippets):
    found = page("prompts", id="tone", do="rename")
    assert "include it by this name: 1 (news)" in words(found)
    with snippets.session_scope("user:admin") as session:
        service.rename(session, "tone", "voice")
    content = newest(snippets).content
    made = renderer().render_content(content, {"tone": "dry", "topic": "dogs"}).messages
    assert made == [{"role": "user", "content": "Be dry. Tell dogs"}]
    found = page("prompts", id="voice", tab="used")
    assert not found.exception
    assert "news still include it by an old name" in words(found)
    found = page("prompts", id="news", tab="used")
    assert not found.exception
    assert "It is called voice now" in words(found)
    push(snippets, "news", '{% include "voice@production" %} Tell {{ topic }}')
    found = page("prompts", id="voice", tab="used")
    assert "old name" not in words(found)
