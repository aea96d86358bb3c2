"""The matrix: its score filter, and that it keeps still while its run goes."""

from pathlib import Path

import pytest
from sqlmodel import select

from app.workspace.components import states
from core.database import Database
from evalsets.labels.queues import pick_label
from evalsets.labels.service import checked
from evalsets.models import Cell, Run
from evalsets.runs.highlights import toggle_highlight
from tests.support.pages import matrix, matrix_looks, page, words
from tests.support.runs_factory import make_run, score_run


@pytest.fixture
def scored(workspace, sqlite_db: Database) -> str:
    """20 cases; the judge gives arm 1 of case n the score n/20, and the last case none."""
    with sqlite_db.session_scope("user:admin") as session:
        run = make_run(session, cases=20, imported=True)
        score_run(session, run, "tone", lambda c: None if c.number >= 38 else c.number // 2 / 20)
    return run


def cases(found) -> list[str]:
    return list(matrix(found)["case"])


def test_without_evaluators_there_is_no_score_filter(workspace, sqlite_db):
    with sqlite_db.session_scope("user:admin") as session:
        run = make_run(session, cases=2, imported=True)
    keys = [one.key for one in page("runs", id=run, tab="cases").selectbox]
    assert "matrix_score" not in keys


def test_scores_show_before_they_filter(scored):
    found = page("runs", id=scored, tab="cases")
    assert "[" not in matrix(found).iloc[3]["arm_0"]
    found.selectbox(key="matrix_score").set_value("tone").run()
    assert not found.exception
    assert len(cases(found)) == 20
    assert matrix(found).iloc[3]["arm_0"].startswith("[0.15] answer 3")


def test_a_bound_leaves_out_what_is_beyond(scored):
    found = page("runs", id=scored, tab="cases")
    found.selectbox(key="matrix_score").set_value("tone").run()
    found.number_input(key="matrix_at").set_value(0.1).run()
    assert cases(found) == ["c0", "c1", "c2"]
    assert found.query_params["at"] in ("0.1", ["0.1"])
    found.selectbox(key="matrix_bound").set_value("above").run()
    assert cases(found) == [f"c{n}" for n in range(2, 19)]
    found.selectbox(key="matrix_bound").set_value("unscored").run()
    assert cases(found) == ["c19"]
    found.selectbox(key="matrix_score").set_value(None).run()
    assert len(cases(found)) == 20


def test_the_address_alone_filters(scored):
    found = page("runs", id=scored, tab="cases", score="tone", bound="above", at="0.9")
    assert cases(found) == ["c18"]
    found = page("runs", id=scored, tab="cases", score="no-such", at="x")
    assert len(cases(found)) == 20


def finish(database: Database, run_id: str, numbers: range, status: str = "running") -> None:
    with database.session_scope("worker") as session:
        query = select(Cell).where(Cell.run_id == run_id)
        for cell in session.exec(query):
            if cell.number in numbers:
                cell.state, cell.error = "failed", "gone"
        run = session.get(Run, run_id)
        assert run is not None
        run.failed += len(numbers)
        run.status = status


@pytest.fixture
def running(workspace, sqlite_db: Database) -> str:
    with sqlite_db.session_scope("user:admin") as session:
        return make_run(session, cases=20, imported=True, status="running")


def test_the_matrix_keeps_still_until_one_asks(running, sqlite_db):
    finish(sqlite_db, running, range(4))
    found = page("runs", id=running, tab="cases", f="failed")
    assert cases(found) == ["c0", "c1"]
    assert "new results" not in words(found)
    finish(sqlite_db, running, range(4, 10))
    found.run()
    assert cases(found) == ["c0", "c1"]
    assert "6 new results" in words(found)
    found.button(key="matrix_show").click().run()
    assert cases(found) == ["c0", "c1", "c2", "c3", "c4"]
    assert "new results" not in words(found)


def test_the_end_of_the_run_does_not_move_it_either(running, sqlite_db):
    found = page("runs", id=running, tab="cases", f="failed")
    assert "No cell matches" in words(found)
    finish(sqlite_db, running, range(2), status="completed")
    found.run()
    assert "2 new results" in words(found)
    assert "No cell matches" in words(found)
    found.button(key="matrix_show").click().run()
    assert cases(found) == ["c0"]
    finish(sqlite_db, running, range(2, 4), status="completed")
    found.run()
    assert cases(found) == ["c0", "c1"]


def test_another_filter_reads_anew(running, sqlite_db):
    finish(sqlite_db, running, range(2))
    found = page("runs", id=running, tab="cases", f="failed")
    finish(sqlite_db, running, range(2, 4))
    found.query_params["f"] = "all"
    found.run()
    assert matrix(found).iloc[1]["arm_0"].startswith("!")
    assert "new results" not in words(found)


def test_cells_show_by_sign_and_by_look_what_they_are(scored, sqlite_db: Database):
    """Never by colour alone; the looks are those of the cell they stand in."""
    with sqlite_db.session_scope("user:admin") as session:
        for number, label in ((0, "good"), (3, "bad"), (4, "skip")):
            pick_label(session, scored, number, checked(label))
        toggle_highlight(session, scored, 2)
        toggle_highlight(session, scored, 0)
    finish(sqlite_db, scored, range(6, 7), status="completed")
    found = page("runs", id=scored, tab="cases")
    lines, looks = matrix(found), matrix_looks(found)
    signs = {0: "★ ✓", 2: "★", 3: "✗", 4: "–", 6: "!", 7: ""}
    words = {0: "good", 2: "", 3: "bad", 4: "skip", 6: "failed"}
    for number, sign in signs.items():
        row, arm = divmod(number, 2)
        place = row, f"arm_{arm}"
        assert lines.at[place].startswith(f"{sign} " if sign else "answer")
        wanted = states.looks(words.get(number, ""), highlighted=number in (0, 2))
        assert tuple(looks.at[place]) == wanted, number
    rules = (Path(states.__file__).parent / "matrix_table.css").read_text()
    assert all(f".{name} {{" in rules for name in ("highlighted", "good", "bad", "skip", "failed"))
