"""What is proposed where nothing was chosen: model, budget; and filters of cases by tag."""

from connectors import service as models
from connectors.models import ModelSettings
from core.workspace_settings import set_setting
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import tag_counts
from evalsets.datasets.edits import typed_cases
from prompts import service as prompts
from prompts.content import MessageTemplate, PromptContent
from tests.support.pages import page, words


def test_the_model_shown_is_the_model_asked(workspace, sqlite_db):
    with sqlite_db.session_scope("user:admin") as session:
        other = ModelSettings(kind="openai", base_url="https://models.example/v1", model="m")
        models.add_model(session, "aaa", other)
        set_setting(session, "default_model", "echo")
        content = PromptContent(messages=(MessageTemplate(role="user", content="say this"),))
        prompts.save_version(session, "p", content, based_on=0)
    found = page("prompts", id="p")
    assert found.selectbox(key="trial_model_p").value == "echo"
    found.button(key="trial_run").click().run()
    assert not found.exception
    for _ in range(300):
        if "tokens in," in words(found):
            break
        found.run()
    with sqlite_db.read_scope() as session:
        from sqlmodel import select

        from connectors.models import Generation

        assert [one.model for one in session.exec(select(Generation))] == ["echo"]


def test_the_default_budget_is_proposed(workspace, sqlite_db):
    found = page("settings")
    found.number_input(key="settings_default_budget").set_value(2.5).run()
    assert page("runs", do="plan").number_input(key="plan_budget").value == 2.5
    found.number_input(key="settings_default_budget").set_value(0.0).run()
    assert page("runs", do="plan").number_input(key="plan_budget").value is None


def test_cases_are_filtered_by_tag(workspace, db):
    rows = [
        {"id": "a", "x": "1", "tags": ["easy", "sum"]},
        {"id": "b", "x": "2", "tags": ["hard"]},
        {"id": "c", "x": "3", "tags": ["easy", "sum"]},
        {"id": "d", "x": "4"},
    ]
    with db.session_scope("user:admin") as session:
        pushed = datasets.push(session, "sums", typed_cases(rows))
        assert tag_counts(session, pushed.version.version_id) == {"easy": 2, "hard": 1, "sum": 2}


def test_the_page_offers_the_tags(workspace, sqlite_db):
    rows = [{"id": "a", "x": "1", "tags": ["easy"]}, {"id": "b", "x": "2"}]
    with sqlite_db.session_scope("user:admin") as session:
        datasets.push(session, "sums", typed_cases(rows))
    found = page("datasets", id="sums")
    assert len(found.dataframe[0].value) == 2
    found.selectbox(key="datasets_tag").set_value("easy").run()
    assert list(found.dataframe[0].value["id"]) == ["a"]


def test_home_offers_a_new_prompt_once_the_steps_are_done(workspace, sqlite_db):
    from app import example

    assert "home_new" not in [one.key for one in page().button]
    example.load(sqlite_db, "user:admin")
    with sqlite_db.session_scope("user:admin") as session:
        content = PromptContent(messages=(MessageTemplate(role="user", content="x"),))
        prompts.save_version(session, "mine", content, based_on=0)
    assert "home_new" in [one.key for one in page().button]
