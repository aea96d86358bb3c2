"""From a cell onwards: ordered by loss, marked, kept as a case, opened with its inputs."""

import pytest
from sqlmodel import select

from app import example
from app.server.context import Context
from core.database import Database
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import page_cases
from evalsets.models import Answer, Cell, Label, Run
from evalsets.runs.manifest import Manifest
from prompts import scenes
from prompts import service as prompts
from prompts.content import MessageTemplate
from prompts.models import PromptDraft
from tests.support.pages import matrix, page, words
from tests.support.runs_factory import make_run, score_run


@pytest.fixture
def labeled(workspace, sqlite_db: Database) -> str:
    """Arm 0 is good in all 20 cases, arm 1 bad in cases 7 and 3; "tone" falls with the case."""
    with sqlite_db.session_scope("user:admin") as session:
        run = make_run(session, cases=20, imported=True)
        for cell in session.exec(select(Cell).where(Cell.run_id == run)):
            said = "bad" if cell.number in (7 * 2 + 1, 3 * 2 + 1) else "good"
            pressed = {"annotator": "admin", "actor": "user:admin", "label": said}
            item = cell.item_key or ""
            session.add(Label(item_key=item, run_id=run, cell=cell.number, **pressed))
        score_run(session, run, "tone", lambda c: 1 - c.number / 100 * (c.number % 2))
    return run


def cases(found) -> list[str]:
    return list(matrix(found)["case"])


def test_the_biggest_loss_comes_first(labeled):
    found = page("runs", id=labeled, tab="cases")
    assert cases(found)[:3] == ["c0", "c1", "c2"]
    found.selectbox(key="matrix_order").set_value("loss").run()
    assert not found.exception
    assert cases(found)[:4] == ["c3", "c7", "c0", "c1"]
    found.selectbox(key="matrix_base").set_value("base@2 | echo").run()
    assert cases(found)[-2:] == ["c3", "c7"]
    found.selectbox(key="matrix_score").set_value("tone").run()
    found.selectbox(key="matrix_base").set_value("base@1 | echo").run()
    assert cases(found)[:2] == ["c19", "c18"]


def test_a_marked_cell_is_found_again(labeled):
    found = page("runs", id=labeled, tab="cases", sel="9")
    assert "Highlight" in found.button(key="cell_highlight").label
    found.button(key="cell_highlight").click().run()
    assert matrix(found).iloc[4]["arm_1"].startswith("★ ✓")
    found.query_params["f"] = "highlighted"
    found.run()
    assert cases(found) == ["c4"]
    found.query_params["sel"] = "9"
    found.run()
    found.button(key="cell_highlight").click().run()
    assert "No cell matches" in words(found)


def test_a_cell_becomes_a_case_of_a_new_and_of_a_known_data_set(labeled, sqlite_db):
    found = page("runs", id=labeled, tab="cases", sel="9")
    found.button(key="cell_case").click().run()
    assert found.selectbox(key="case_dataset").value == "questions-cases"
    assert found.text_area(key="case_expected").value == "answer 4 of arm 1, 1"
    save(found)
    found = page("runs", id=labeled, tab="cases", sel="10", do="case")
    save(found)
    found = page("runs", id=labeled, tab="cases", sel="9", do="case")
    found.text_area(key="case_expected").set_value("better")
    save(found)
    with sqlite_db.read_scope() as session:
        newest = datasets.get(session, "questions-cases")
        stored = page_cases(session, newest.version_id).cases
    assert newest.version == 3
    assert labeled in newest.message
    assert [(one.inputs, one.expected) for one in stored] == [
        ({"question": "number 4"}, "better"),
        ({"question": "number 5"}, "answer 5 of arm 0, 1"),
    ]


def save(found) -> None:
    (button,) = [one for one in found.button if one.label == "Save case"]
    button.click().run()
    assert not found.exception
    assert not found.error


def test_an_imported_arm_has_nothing_to_open(labeled):
    assert page("runs", id=labeled, tab="cases").button(key="cell_open").disabled


@pytest.fixture
def news(workspace: Context, sqlite_db: Database) -> tuple[str, int, dict]:
    """The example's run with a parameter of its own in arm 0; a cell of it and its inputs."""
    example.load(sqlite_db, "user:admin")
    with sqlite_db.session_scope("user:admin") as session:
        run_id = example.known_run(session)
        run = session.get(Run, run_id)
        assert run is not None
        manifest = Manifest.model_validate(run.manifest)
        first = manifest.arms[0].model_copy(update={"params": {"temperature": 1.5}})
        arms = (first, *manifest.arms[1:])
        run.manifest = manifest.model_copy(update={"arms": arms}).model_dump(mode="json")
        session.add(run)
        query = select(Cell.number).join(Answer, Cell.answer_id == Answer.id)  # type: ignore[arg-type]
        number = session.exec(query.where(Cell.run_id == run.id, Cell.arm == 0)).first()
        assert number is not None
    return run.id, number, {}


def opened(news):
    run, number, _ = news
    found = page("runs", id=run, tab="cases", sel=str(number))
    found.button(key="cell_open").click().run()
    assert not found.exception
    found.switch_page("prompts.py")  # AppTest does not see that the script switched
    return found.run()


def inputs_of(sqlite_db: Database, news) -> dict:
    from evalsets.runs.cell_detail import cell_detail

    return cell_detail(sqlite_db, news[0], news[1]).inputs


def test_a_cell_opens_with_its_version_model_parameters_and_inputs(news, sqlite_db):
    found = opened(news)
    assert "version 1" in [badge.value for badge in found.get("badge")] or "news" in words(found)
    for name, value in inputs_of(sqlite_db, news).items():
        assert found.text_area(key=f"value_news_{name}_text").value == value
    assert found.selectbox(key="trial_model_news").value == "demo"
    assert '"temperature": 1.5' in words(found)
    assert found.query_params["v"] in ("1", ["1"])


def test_a_cell_opens_in_the_playground_beside_the_arm_it_is_compared_with(news, sqlite_db):
    run, number, _ = news
    found = page("runs", id=run, tab="cases", sel=str(number), base="1")
    found.button(key="cell_play").click().run()
    assert not found.exception
    with sqlite_db.read_scope() as session:
        (row,) = scenes.list_scenes(session, "user:admin")
        state = scenes.get(session, row.id).state
    assert [one.prompt for one in state.columns] == ["news", "news"]
    assert [one.content["options"].get("temperature") for one in state.columns][1] == 1.5
    assert state.values == inputs_of(sqlite_db, news)
    assert page("runs", id=run, tab="cases").button(key="cell_play").disabled is False


def test_it_never_replaces_a_draft_unasked(news, sqlite_db):
    with sqlite_db.session_scope("user:admin") as session:
        version = prompts.get(session, "news")
        content = version.content.model_copy(
            update={"messages": (MessageTemplate(role="user", content="my long work"),)}
        )
        draft = PromptDraft(based_on=2, content=content.model_dump(mode="json"), message="")
        prompts.save_draft(session, "news", draft)
    found = opened(news)
    assert "unsaved draft" in words(found)
    texts = [one.value for one in found.text_area]
    assert "my long work" not in texts
    with sqlite_db.read_scope() as session:
        kept = prompts.load_draft(session, "user:admin", "news")
    assert kept is not None
    assert "my long work" in str(kept.content)
    found.button(key="apart_draft").click().run()
    assert "my long work" in [one.value for one in found.text_area]
    assert "apart_draft" not in [one.key for one in found.button]
