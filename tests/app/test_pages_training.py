"""The training tab of a data set: rows as the model sees them, what a check finds, new rows."""

import pytest

from app.server import row_checks
from app.workspace.components import output
from connectors.demo import model_file
from core.database import Database
from core.errors import Unavailable
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import iter_cases
from evalsets.datasets.edits import typed_cases
from evalsets.labels.service import Press, checked, item_of, save_label
from tests.support.pages import page, words
from tests.support.runs_factory import make_run

EXAM = "Which of the two towers by the northern harbour is older than the town hall itself?"
ROWS = [
    {"instruction": EXAM, "output": "The left one."},
    {"instruction": "Write to me", "output": "I am ann@example.com."},
    {"instruction": "Say [hi](http://x.example)", "output": "![img](http://x.example/a.png)"},
    {"instruction": "nothing", "output": 3},
    {"instruction": "held", "output": "out", "split": "dev"},
]


@pytest.fixture
def loaded(workspace, sqlite_db: Database) -> Database:
    with sqlite_db.session_scope("user:admin") as session:
        datasets.push(session, "learn", typed_cases(ROWS))
        datasets.push(session, "exam", typed_cases([{"q": EXAM, "split": "holdout", "id": "t1"}]))
    return sqlite_db


def checked_page(**query: str):
    found = page("datasets", id="learn", tab="training", **query)
    check = row_checks.find("learn", 1)
    assert check is not None
    assert check.done.wait(20)
    return found.run()


def test_a_check_tells_leaks_bad_rows_and_lengths(loaded):
    found = checked_page()
    assert not found.exception
    said = words(found)
    assert "3 to learn" in said
    assert "1 held out" in said
    errors = " ".join(error.value for error in found.error)
    assert "1 bad row." in errors
    assert "1 row gives away" in errors
    tables = [frame.value for frame in found.dataframe]
    leaks = next(one for one in tables if "Equal" in str(one.columns) or "where" in one.columns)
    assert "exam (holdout)" in leaks.to_string()
    steps = next(one for one in tables if "before" in one.columns)
    assert list(steps["after"])[:2] == ["2", "2"]
    assert "Personal data masked" in steps.to_string()


def test_a_row_is_inert_and_a_bad_one_says_why(loaded):
    with loaded.read_scope() as session:
        version = datasets.get(session, "learn")
        cases = list(iter_cases(session, version.version_id))
    found = page("datasets", id="learn", tab="training", sel=cases[2].case_id)
    assert not found.exception
    assert "![img]" not in " ".join(one.value for one in found.markdown)
    bad = page("datasets", id="learn", tab="training", sel=cases[3].case_id)
    assert "the answer is a number" in " ".join(error.value for error in bad.error)


def test_other_data_sets_say_the_next_step(loaded):
    found = page("datasets", id="exam", tab="training")
    assert not found.exception
    assert "No training rows in this dataset" in words(found)


def test_rows_are_made_of_a_run(loaded):
    with loaded.session_scope("user:ann") as session:
        run = make_run(session, cases=[{"q": EXAM}, {"q": "Short?"}], imported=True)
        for cell in (0, 2):
            save_label(session, item_of(session, run, cell), checked("good"), Press("import"))
    found = page("datasets", do="training")
    assert not found.exception
    next(b for b in found.button if b.label == "Preview").click().run()
    assert "1 new row" in words(found)
    found.text_input[-1].set_value("made")
    next(b for b in found.button if b.label == "Save rows").click().run()
    assert not found.exception
    with loaded.read_scope() as session:
        version = datasets.get(session, "made")
        (case,) = iter_cases(session, version.version_id)
    assert case.inputs == {"messages": [{"role": "user", "content": "Short?"}]}
    assert case.expected == "answer 1 of arm 0, 1"


def test_the_runs_of_the_open_data_set_come_first(loaded):
    with loaded.session_scope("user:ann") as session:
        ours = make_run(session, cases=1, dataset="mine", imported=True)
        make_run(session, cases=1, dataset="theirs", imported=True)
    found = page("datasets", id="mine", tab="training", do="training")
    assert not found.exception
    source = found.selectbox(key="training_source")
    assert ours[:8] in source.options[0]
    assert "mine" in source.options[0]


def test_nothing_to_make_rows_of(workspace, sqlite_db: Database):
    found = page("datasets", do="training")
    assert "Label a run first" in words(found)


def test_rows_are_offered_for_other_trainers(loaded):
    found = page("datasets", id="learn", do="export")
    assert not found.exception
    assert "Training rows for other trainers" in words(found)
    assert "Training rows for other trainers" not in words(page("datasets", id="exam", do="export"))


def test_a_row_is_shown_as_a_model_reads_it(loaded, monkeypatch: pytest.MonkeyPatch):
    try:
        model_file()
    except Unavailable as error:
        pytest.skip(error.message)
    shown: list[list[tuple[str, str]]] = []
    monkeypatch.setattr(output, "marked", lambda parts, **_: shown.append(list(parts)))
    found = page("datasets", id="learn", tab="training")
    assert [style for style, _ in shown.pop()] == ["role", "asked", "role", "learned"]
    found.selectbox(key="training_face").select("demo").run()
    assert not found.exception
    (_, read), learned = shown.pop()
    assert EXAM in read
    assert read.endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert learned == ("learned", "The left one.<|im_end|>\n")
    assert "Grey is read, underlined is learned" in words(found)
