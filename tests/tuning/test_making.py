"""Rows from labels, corrections and preferences, made into a data set."""

import orjson
import pytest
from sqlmodel import col, select

from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from evalsets.datasets.cases import page_cases
from evalsets.datasets.edits import typed_cases
from evalsets.datasets.service import get, push
from evalsets.labels.service import Press, checked, item_of, save_label
from evalsets.models import Answer, Case, Cell, Preference
from tests.support.runs_factory import make_run
from tuning.data.cleaning import NOTHING, RowCleaning
from tuning.data.from_run import run_rows
from tuning.data.judged import MOST_PAIRS, Said, rows_of
from tuning.data.loading import load_rows
from tuning.data.making import prepare, store
from tuning.data.rows import PairRow, SftRow, ThumbRow, Turn
from tuning.methods import RowKind

CASES = [{"question": f"What is said of number {n}?"} for n in range(6)]


def user(n: int) -> tuple[Turn, ...]:
    return (Turn("system", "Be brief."), Turn("user", f"Q: {CASES[n]['question']}"))


def said(text: str) -> tuple[Turn, ...]:
    return (Turn("assistant", text),)


@pytest.fixture
def run(db: Database) -> str:
    """Two arms; c0: both good, one corrected; c1: good and bad; c2: bad corrected; c3: skipped."""
    labels = {
        (0, 0): ("good", None), (0, 1): ("good", "the best"), (1, 0): ("good", None),
        (1, 1): ("bad", None), (2, 0): ("bad", "better"), (3, 0): ("skip", None),
    }  # fmt: skip
    with db.session_scope("user:ann") as session:
        run = make_run(session, cases=CASES)
        rows = session.exec(select(Cell, Answer).join(Answer, col(Answer.id) == Cell.answer_id))
        for cell, answer in rows.all():
            body = {"messages": [turn._asdict() for turn in user(cell.number // 2)], "model": "m"}
            answer.request = orjson.dumps(body).decode()
            session.add(answer)
        for (row, arm), (label, correction) in labels.items():
            item = item_of(session, run, row * 2 + arm)
            save_label(session, item, checked(label, (), correction), Press("import"))
        held = session.exec(select(Case).where(Case.case_id == "c1")).one()
        held.split = "holdout"
        session.add(held)
    return run


def made(db: Database, run: str, kind: RowKind):
    with db.read_scope() as session:
        return run_rows(session, run, kind)


def test_good_answers_and_corrections(db: Database, run: str):
    found = made(db, run, "sft")
    assert found.left_out == {}
    rows = [one.row for one in found.rows]
    assert rows == [
        SftRow(user(0) + said("answer 0 of arm 0, 1")),
        SftRow(user(0) + said("the best")),
        SftRow(user(1) + said("answer 1 of arm 0, 1")),
        SftRow(user(2) + said("better")),
    ]
    assert [one.split for one in found.rows] == ["train", "train", "holdout", "train"]
    assert found.rows[1].tags == (f"run:{run}", "correction")
    assert found.rows[0].name == "cell 0 (case c0)"
    assert found.rows[0].asked == CASES[0]
    with db.read_scope() as session, pytest.raises(NotFound):
        run_rows(session, "nothing", "sft")


def test_pairs_of_a_case(db: Database, run: str):
    rows = [one.row for one in made(db, run, "dpo").rows]
    assert rows == [
        PairRow(user(0), said("the best"), said("answer 0 of arm 1, 1")),
        PairRow(user(1), said("answer 1 of arm 0, 1"), said("answer 1 of arm 1, 1")),
        PairRow(user(2), said("better"), said("answer 2 of arm 0, 1")),
    ]


def test_preferences_by_majority(db: Database, run: str):
    votes = [
        (8, 9, "ann", "b"), (8, 9, "bob", "b"), (9, 8, "eve", "b"), (10, 11, "ann", "tie"),
        (2, 3, "ann", "b"), (6, 7, "ann", "a"), (6, 7, "bob", "b"),
    ]  # fmt: skip
    with db.session_scope("test") as session:
        for a, b, who, preference in votes:
            session.add(
                Preference(
                    run_id=run, cell_a=a, cell_b=b, annotator=who, preference=preference, actor="t"
                )
            )
    found = made(db, run, "dpo").rows
    preferred = [one.row for one in found if "preference" in one.tags]
    # The pair of case 1 stands the other way round by its labels, so it teaches nothing.
    assert preferred == [
        PairRow(user(4), said("answer 4 of arm 1, 1"), said("answer 4 of arm 0, 1"))
    ]
    assert len(found) == 3


def test_thumbs(db: Database, run: str):
    rows = [one.row for one in made(db, run, "kto").rows]
    assert ThumbRow(user(1), said("answer 1 of arm 1, 1"), False) in rows
    assert ThumbRow(user(2), said("better"), True) in rows
    assert sum(isinstance(row, ThumbRow) and row.label for row in rows) == 5
    assert len(rows) == 7


def test_many_answers_of_a_case_do_not_outweigh_the_others():
    many = [
        Said(f"{n}", "case", user(0), said(str(n)), rated=n < 10) for n in range(20)
    ]  # fmt: skip
    other = Said("other", "case", user(1), said("other"), rated=True)
    rows = rows_of([other, *many], "dpo", ())
    assert len(rows) == MOST_PAIRS
    # Answers to the same prompt come first.
    assert all(one.row.messages == user(0) for one in rows)


def test_outputs_made_elsewhere(db: Database):
    with db.session_scope("test") as session:
        one = make_run(session, cases=CASES[:1], imported=True)
        two = make_run(session, cases=[{"a": "x", "b": "y"}], dataset="other", imported=True)
        for made_run in (one, two):
            save_label(session, item_of(session, made_run, 0), checked("good"), Press("import"))
    assert made(db, one, "sft").rows[0].row == SftRow(
        (Turn("user", CASES[0]["question"]), *said("answer 0 of arm 0, 1"))
    )
    found = made(db, two, "sft")
    assert found.rows == []
    assert list(found.left_out.values()) == [1]
    assert "without its prompt" in next(iter(found.left_out))


def test_a_data_set_grows(db: Database, run: str):
    found = made(db, run, "sft").rows
    ready = prepare(db, "learn", "sft", found[:2], RowCleaning())
    with db.session_scope("test") as session:
        version = store(session, ready, "from a run").version
    assert (version.ref, version.cases, version.columns) == ("learn@1", 2, ("messages",))
    again = prepare(db, "learn", "sft", found, RowCleaning())
    assert (again.report.known, again.report.new, again.report.held_out) == (2, 2, 1)
    taken = {step.name: step.before - step.after for step in again.report.steps}
    assert taken["duplicates"] == 2
    with db.session_scope("test") as session:
        assert store(session, again).version.ref == "learn@2"
        with pytest.raises(Conflict):
            store(session, ready)
    with db.read_scope() as session:
        loaded = load_rows(session, "learn", 2, "sft")
        cases = page_cases(session, get(session, "learn").version_id).cases
    assert [one.row for one in loaded.training] == [found[n].row for n in (0, 1, 3)]
    assert [one.row for one in loaded.evaluation] == [found[2].row]
    assert cases[1].tags == [f"run:{run}", "correction"]
    with pytest.raises(Invalid, match="No row is left: duplicates 4"):
        prepare(db, "learn", "sft", found, RowCleaning())
    doubled = prepare(db, "learn", "sft", found[:2], NOTHING)
    assert len({case.case_id for case in doubled.cases.cases}) == 6
    with pytest.raises(Invalid, match="no data set of dpo rows"):
        prepare(db, "learn", "dpo", made(db, run, "dpo").rows, RowCleaning())


def test_leaks_never_come_in(db: Database, run: str):
    with db.session_scope("test") as session:
        push(session, "exam", typed_cases([{**CASES[2], "split": "test", "id": "secret"}]))
    ready = prepare(db, "learn", "sft", made(db, run, "sft").rows, RowCleaning())
    (leak,) = ready.report.leaks
    assert (leak.dataset, leak.case_id, leak.row) == ("exam", "secret", "cell 4 (case c2)")
    assert ready.report.new == 3
