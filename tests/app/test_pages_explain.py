"""What a run's pages explain: repeats, slices, what decides, what changed since another run."""

from decimal import Decimal

import pytest
from sqlmodel import Session, col, select

from app.telling.points import Priced, pareto
from core.database import Database
from evalsets.labels.service import Press, checked, item_of, save_label
from evalsets.models import Answer, Case, Cell, Run
from tests.support.pages import page, words
from tests.support.runs_factory import make_run, score_run

ARMS = ("one", "two", "three")


def explained(session: Session, name: str, *, repeats: int = 2) -> str:
    """Eight cases with tags, latencies and costs; the arm `two` is good in more of them."""

    def said(row: int, arm: int, repeat: int) -> str | None:
        return None if (row, arm) == (7, 2) else f"{name} {row} {arm} {repeat} <b>*x*</b>"

    run = make_run(
        session, cases=8, arms=ARMS, repeats=repeats, output=said, imported=True,
        cost=Decimal("0.002"),
    )  # fmt: skip
    version = session.exec(select(Run.version_id).where(Run.id == run)).one()
    for case in session.exec(select(Case).where(Case.version_id == version)):
        case.tags = ["even *tag*"] if case.position % 2 == 0 else []
    query = select(Answer, Cell).join(Cell, col(Cell.answer_id) == col(Answer.id))
    for answer, cell in session.exec(query.where(Cell.run_id == run)):
        answer.latency_ms, answer.cost = 100.0 + cell.number, Decimal("0.001") * (cell.arm + 1)
    session.flush()
    score_run(
        session, run, "exact", lambda cell: float(cell.arm == 1 or cell.number % 3 == len(name) % 3)
    )
    return run


@pytest.fixture
def runs(workspace, sqlite_db: Database) -> tuple[str, str]:
    with sqlite_db.session_scope("user:admin") as session:
        made = explained(session, "old"), explained(session, "newer")
        for run in made:
            for cell in range(24):
                item = item_of(session, run, cell)
                said = "good" if cell % 6 in (2, 3) or cell % 7 == len(run) % 2 else "bad"
                save_label(session, item, checked(said), Press("import"))
    return made


def said(found) -> str:
    return words(found).replace("\\", "")


def test_the_overview_shows_repeats_and_latency_with_findings(runs):
    found = page("runs", id=runs[1])
    assert not found.exception
    assert "Half of the answers of one came within" in said(found)
    repeats = next(one.value for one in found.dataframe if "flicker" in one.value.columns)
    assert list(repeats["by"]) == ["labels of people", "exact"] * 3
    assert set(repeats["k"]) == {"2"}
    assert repeats["pass_hat"].iloc[3] == "100%", "always good: no interval"


def test_the_verdict_shows_slices_and_both_answers_of_what_decides(runs):
    found = page("runs", id=runs[1], tab="verdict")
    assert not found.exception
    text = said(found)
    assert "Lowest: " in text
    slices = next(one.value for one in found.dataframe if "part" in one.value.columns)
    assert list(slices["part"]) == ["even *tag*"] * 3
    pairs = next(one.value for one in found.dataframe if "better" in one.value.columns)
    assert "case" in pairs.columns
    assert list(pairs["better"].unique()) != []
    links = [one.proto.label for one in found.get("page_link")]
    assert links.count("Open in the cases") == 2


def test_what_decides_by_a_score_and_in_one_direction(runs):
    found = page("runs", id=runs[1], tab="verdict", by="exact", against="three", way="baseline")
    assert not found.exception
    assert "pairs differ: three is better in" in said(found) or "No pair" in said(found)


def test_a_run_is_held_against_another_of_its_data_set(runs):
    found = page("runs", id=runs[1], tab="compare", **{"with": runs[0]})
    assert not found.exception
    assert "8 cases in both runs, 0 only before, 0 only in this run." in said(found)
    rows = found.dataframe[0].value
    assert list(rows["arm"]) == list(ARMS)
    assert all("points (" in one for one in rows["difference"])
    other = page("runs", id=runs[1], tab="compare", by="exact", way="better", **{"with": runs[0]})
    assert not other.exception
    assert list(other.dataframe[1].value.columns) == ["case", "repeat", "arm", "was", "now"]


def test_alone_there_is_a_sentence(workspace, sqlite_db):
    with sqlite_db.session_scope("user:admin") as session:
        run = explained(session, "alone", repeats=1)
    found = page("runs", id=run, tab="compare")
    assert not found.exception
    assert "No other run over this dataset yet" in said(found)
    dead = page("runs", id=run, tab="compare", **{"with": "01NOTHING"})
    assert not dead.exception


def test_the_pareto_line_holds_what_no_arm_beats():
    rows = [
        Priced("dear and worse", 3, 0.5, 0, 1), Priced("cheap", 1, 0.4, 0, 1),
        Priced("best", 2, 0.9, 0, 1), Priced("as cheap, worse", 1, 0.3, 0, 1),
    ]  # fmt: skip
    assert [one.arm for one in pareto(rows)] == ["cheap", "best"]


def test_scores_that_are_no_shares_are_told_as_numbers(workspace, sqlite_db):
    with sqlite_db.session_scope("user:admin") as session:
        run = explained(session, "long", repeats=1)
        score_run(session, run, "length", lambda cell: 100.0 + 7 * cell.arm + cell.number % 5)
    found = page("runs", id=run, tab="verdict", by="length")
    assert not found.exception
    assert "%" not in found.dataframe[0].value["share"].iloc[0]
    assert "points" not in " ".join(found.dataframe[1].value["difference"])
