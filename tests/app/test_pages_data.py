"""Data sets, models, evaluators and settings with something in them."""

from decimal import Decimal

import pytest

from app import example
from connectors import service as models
from core.database import Database
from core.users import get_user
from core.workspace_settings import get_setting
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import iter_cases
from tests.support.pages import page, words


def by_label(elements, label: str):
    return next(one for one in elements if one.label == label)


@pytest.fixture
def loaded(workspace, sqlite_db: Database) -> Database:
    example.load(sqlite_db, "user:admin")
    return sqlite_db


def test_catalogue_hides_imported_sets(loaded):
    found = page("datasets")
    assert not found.exception
    assert list(found.dataframe[0].value["name"]) == ["news-grid"]


@pytest.mark.parametrize("tab", ["cases", "versions", "used"])
def test_tabs_of_a_set(loaded, tab):
    found = page("datasets", id="news-grid", tab=tab)
    assert not found.exception
    assert not found.error


def test_the_inspector_shows_the_chosen_case(loaded):
    with loaded.read_scope() as session:
        version = datasets.get(session, "news-grid")
        cases = list(iter_cases(session, version.version_id))
    found = page("datasets", id="news-grid", sel=cases[5].case_id)
    assert cases[5].case_id in words(found)
    assert str(cases[5].inputs["topic"]) in words(found)


def test_a_file_is_previewed_then_pushed(workspace, sqlite_db):
    found = page("datasets", do="file")
    csv = b"question,answer\nWhat is 1+1?,2\nCapital of France?,Paris\n"
    found.file_uploader[0].upload("capitals.csv", csv).run()
    assert not found.exception
    assert "2 rows" in words(found)
    by_label(found.selectbox, "Column with the expected output").select("answer").run()
    by_label(found.button, "Save dataset").click().run()
    assert not found.error
    with sqlite_db.read_scope() as session:
        version = datasets.get(session, "capitals")
        cases = list(iter_cases(session, version.version_id))
    assert [case.expected for case in cases] == ["2", "Paris"]
    assert cases[0].inputs == {"question": "What is 1+1?"}


def test_columns_are_renamed_before_the_file_is_saved(workspace, sqlite_db):
    found = page("datasets", do="file")
    found.file_uploader[0].upload("c.csv", b"subject,*tone*,answer\nbees,dry,yes\n").run()
    found.text_input(key="column_subject").set_value("topic").run()
    found.text_input(key="column_*tone*").set_value("topic").run()
    assert "subject and *tone* cannot both be called topic" in words(found).replace("\\", "")
    assert not [b for b in found.button if b.label == "Save dataset"]
    found.text_input(key="column_*tone*").set_value("answer").run()
    assert "which is a column already" in words(found)
    found.text_input(key="column_*tone*").set_value("style").run()
    found.selectbox(key="column_expected_column").select("answer").run()
    assert list(found.dataframe[0].value.columns) == ["id", "topic", "style", "expected"]
    by_label(found.button, "Save dataset").click().run()
    with sqlite_db.read_scope() as session:
        version = datasets.get(session, "c")
        (case,) = iter_cases(session, version.version_id)
    assert (case.inputs, case.expected) == ({"topic": "bees", "style": "dry"}, "yes")


def test_a_bad_file_names_its_line_and_leaves_nothing(workspace, sqlite_db):
    found = page("datasets", do="file")
    found.file_uploader[0].upload("bad.jsonl", b'{"a": 1}\n{"a": \n').run()
    assert "Line 2" in words(found)
    assert not [b for b in found.button if b.label == "Save dataset"]
    with sqlite_db.read_scope() as session:
        assert datasets.list_datasets(session) == []


def test_adding_a_model_and_changing_its_price(workspace, sqlite_db):
    found = page("models", do="new")
    by_label(found.text_input, "Name").set_value("mine")
    by_label(found.text_input, "Address or provider").set_value("https://api.example.com/v1")
    by_label(found.text_input, "Model ID").set_value("big-1")
    by_label(found.text_input, "API key").set_value("sk-canary-1234567890")
    by_label(found.text_input, "$ per million in").set_value("1.25")
    by_label(found.text_input, "$ per million out").set_value("10")
    by_label(found.button, "Save model").click().run()
    assert not found.exception
    with sqlite_db.read_scope() as session:
        saved = models.get_model(session, "mine")
    assert saved.price is not None
    assert saved.price.input_per_million == Decimal("1.25")
    assert saved.settings.secret_id
    again = page("models", id="mine", do="change")
    shown = words(again) + " ".join(str(i.value) for i in again.text_input)
    assert "canary" not in shown


def test_a_model_with_one_price_is_refused(workspace, sqlite_db):
    found = page("models", do="new")
    by_label(found.text_input, "Name").set_value("mine")
    by_label(found.text_input, "Address or provider").set_value("https://api.example.com/v1")
    by_label(found.text_input, "Model ID").set_value("big-1")
    by_label(found.text_input, "$ per million in").set_value("1.25")
    by_label(found.button, "Save model").click().run()
    assert "One price is missing" in words(found)


def test_metadata_addresses_are_refused(workspace, sqlite_db):
    found = page("models", do="new")
    by_label(found.text_input, "Name").set_value("mine")
    by_label(found.text_input, "Address or provider").set_value("http://169.254.169.254/v1")
    by_label(found.text_input, "Model ID").set_value("x")
    by_label(found.button, "Save model").click().run()
    assert found.error
    with sqlite_db.read_scope() as session:
        assert "mine" not in {model.name for model in models.list_models(session)}


def test_testing_echo_says_that_it_answers(workspace, sqlite_db):
    import time

    found = page("models", id="echo")
    by_label(found.button, "Test model").click().run()
    for _ in range(300):
        with sqlite_db.read_scope() as session:
            last = models.get_model(session, "echo").last_test
        if last is not None:
            break
        time.sleep(0.1)
    assert last is not None
    assert last.ok
    assert "answers" in words(page("models", id="echo"))


def test_an_evaluator_is_tried_before_it_is_saved(workspace, sqlite_db):
    found = page("evaluators", id="regex")
    found.text_area(key="evaluator_regex_pattern").set_value("a+b").run()
    found.text_area(key="evaluator_output").set_value("xx aab").run()
    assert "found 'aab'" in words(found)
    by_label(found.text_input, "Name").set_value("a-then-b").run()
    by_label(found.button, "Save evaluator").click().run()
    with sqlite_db.read_scope() as session:
        assert get_setting(session, "evaluators")["a-then-b"]["pattern"] == "a+b"


def test_a_pattern_that_does_not_compile_is_named(workspace):
    found = page("evaluators", id="regex")
    found.text_area(key="evaluator_regex_pattern").set_value("a(").run()
    assert not found.exception
    assert by_label(found.button, "Save evaluator").disabled


def test_language_is_the_persons_own(workspace, sqlite_db):
    found = page("settings")
    found.selectbox(key="settings_language").select("zh").run()
    with sqlite_db.read_scope() as session:
        assert get_user(session, "admin").language == "zh"
    assert page("prompts").title[0].value == "提示词"


@pytest.mark.parametrize("tab", ["storage", "doctor"])
def test_tabs_of_the_settings(workspace, tab):
    found = page("settings", tab=tab)
    assert not found.exception
    assert not found.error
    assert len(found.dataframe) == 1


def test_an_annotator_sees_only_what_is_theirs(workspace, sqlite_db):
    from core.models import User

    with sqlite_db.session_scope("system") as session:
        user = session.get(User, "admin")
        assert user is not None
        user.role = "annotator"
        session.add(user)
    page("label")
    with pytest.raises(ValueError, match="prompts"):
        page("prompts")
