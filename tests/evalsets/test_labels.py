"""One label per annotator and output; the newest counts, the history stays, nothing is lost."""

import subprocess
import sys
from decimal import Decimal

import pytest
from sqlmodel import select

from core.database import Database
from core.errors import Invalid, NotFound
from evalsets.labels.agreement import run_agreement
from evalsets.labels.service import (
    LabelContent,
    Press,
    Saved,
    checked,
    checked_annotator,
    history,
    item_of,
    save_label,
    take_back,
)
from evalsets.labels.state import cells_labels
from evalsets.models import Label
from evalsets.runs.cells import load_cells
from evalsets.statistics.cells import State
from evalsets.verdicts.deciding import what_decides
from evalsets.verdicts.labeled_arms import costs_per_good, share_of_labels
from evalsets.verdicts.values import values_by
from tests.support.runs_factory import make_run


def put(
    db: Database, run: str, cell: int, label: str, annotator: str | None = None, **more: object
) -> Saved:
    with db.session_scope("user:ann") as session:
        item = item_of(session, run, cell)
        content = checked(label, **more)  # type: ignore[arg-type]
        return save_label(session, item, content, Press(), annotator)


@pytest.fixture
def run(db: Database) -> str:
    with db.session_scope("cli:tester") as session:
        return make_run(session, cases=4)


def said(db: Database, run: str, cell: int) -> State:
    with db.read_scope() as session:
        return cells_labels(session, run, [cell])[cell].state


def test_the_newest_label_counts_and_the_history_stays(db: Database, run: str) -> None:
    put(db, run, 0, "good")
    put(db, run, 0, "bad", reasons=["wrong", "wrong", " "], correction=" a\n", comment="see b")
    with db.read_scope() as session:
        label = cells_labels(session, run, [0])[0]
        assert (label.label, label.reasons) == ("bad", ("wrong",))
        assert (label.correction, label.comment) == (" a\n", "see b")
        rows = history(session, item_of(session, run, 0).item_key)
        assert [row.label for row in rows] == ["good", "bad"]
        assert {row.annotator for row in rows} == {"ann"}
        assert {row.actor for row in rows} == {"user:ann"}


def test_saving_the_same_content_again_changes_nothing(db: Database, run: str) -> None:
    first = put(db, run, 0, "good", comment="x")
    again = put(db, run, 0, "good", comment="x")
    assert (first.created, again.created) == (True, False)
    assert first.label_id == again.label_id
    assert put(db, run, 0, "good", comment="y").created
    assert put(db, run, 0, "good", "another", comment="y").created


def test_a_label_taken_back_leaves_the_cell_unlabeled_and_can_be_given_again(
    db: Database, run: str
) -> None:
    put(db, run, 0, "good")
    with db.session_scope("user:ann") as session:
        assert take_back(session, item_of(session, run, 0))
        assert not take_back(session, item_of(session, run, 0))
        assert not take_back(session, item_of(session, run, 1))
    assert said(db, run, 0) is State.UNLABELED
    assert put(db, run, 0, "good").created
    with db.read_scope() as session:
        rows = history(session, item_of(session, run, 0).item_key)
    assert [row.label for row in rows] == ["good", None, "good"]


def test_the_same_output_in_a_later_run_is_already_labeled(db: Database) -> None:
    with db.session_scope("cli:tester") as session:
        first = make_run(session, cases=3)
        second = make_run(
            session, cases=3, output=lambda r, a, n: f"answer {r} of arm {a}, {n}" if r else "new"
        )
        other = make_run(session, cases=3, dataset="others")
    for cell in range(6):
        put(db, first, cell, "good")
    assert [said(db, second, cell).value for cell in range(6)] == ["unlabeled"] * 2 + ["good"] * 4
    assert said(db, other, 3) is State.UNLABELED  # another data set


def test_equal_outputs_of_two_arms_share_the_label(db: Database) -> None:
    with db.session_scope("cli:tester") as session:
        run = make_run(session, cases=2, output=lambda row, arm, repeat: f"same {row}")
    put(db, run, 0, "good")
    assert said(db, run, 1) is State.GOOD
    assert said(db, run, 2) is State.UNLABELED  # other inputs


def test_several_annotators_make_a_majority_or_a_dispute(db: Database, run: str) -> None:
    put(db, run, 0, "good", "a")
    put(db, run, 0, "bad", "b")
    assert said(db, run, 0) is State.DISPUTED
    put(db, run, 0, "skip", "d")
    assert said(db, run, 0) is State.DISPUTED
    put(db, run, 0, "bad", "c", reasons=["tone"])
    assert said(db, run, 0) is State.BAD
    with db.session_scope("user:ann") as session:
        item = item_of(session, run, 0)
        save_label(session, item, checked("good", adjudicated=True), Press(), "judge")
    assert said(db, run, 0) is State.GOOD
    with db.read_scope() as session:
        found = cells_labels(session, run, [0])[0]
    assert found.annotators == ("a", "b", "d", "c", "judge")
    assert found.reasons == ()  # "tone" was a reason of the other side


def test_only_an_answered_cell_can_be_labeled(db: Database) -> None:
    with db.session_scope("cli:tester") as session:
        run = make_run(session, cases=2, output=lambda row, arm, repeat: "x" if row else None)
    with db.session_scope("user:ann") as session:
        with pytest.raises(Invalid, match="retry"):
            item_of(session, run, 0)
        with pytest.raises(NotFound):
            item_of(session, run, 99)
        assert cells_labels(session, run, [0, 2])[0].state is State.FAILED
        assert cells_labels(session, run, []) == {}


@pytest.mark.parametrize(
    ("label", "more"),
    [
        ("great", {}),
        ("good", {"reasons": ["x" * 201]}),
        ("good", {"reasons": [str(n) for n in range(21)]}),
        ("good", {"comment": "x" * ((1 << 20) + 1)}),
        ("good", {"correction": "\ud800"}),
    ],
)
def test_a_label_that_cannot_be_kept_is_refused(label: str, more: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        checked(label, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "  ", "x" * 129, "a\nb", "a\x00b"])
def test_an_annotator_is_one_line(name: str) -> None:
    with pytest.raises(Invalid):
        checked_annotator(name)
    assert checked_annotator(" 王 Ann (night shift) ") == "王 Ann (night shift)"


def test_any_text_is_kept_byte_for_byte(db: Database, run: str) -> None:
    text = "\x00 \ue000 \u202e مرحبا \U0001f600\r\n=1+1"
    put(db, run, 0, "bad", correction=text, comment=text, reasons=[text.strip()])
    with db.read_scope() as session:
        row = session.exec(select(Label)).one()
        assert (row.correction, row.comment, row.reasons) == (text, text, [text.strip()])


def test_shares_count_every_state_once(db: Database) -> None:
    with db.session_scope("cli:tester") as session:
        run = make_run(
            session,
            cases=6,
            output=lambda row, arm, repeat: None if (row, arm) == (5, 0) else f"{row} {arm}",
        )
    for row, label in enumerate(["good", "good", "bad", "skip"]):
        put(db, run, 2 * row, label)
    put(db, run, 0, "bad", "b")
    with db.read_scope() as session:
        first, second = share_of_labels(session, run)
    assert (first.good, first.bad, first.skip) == (1, 1, 1)
    assert (first.unlabeled, first.disputed) == (2, 1)  # one of both is the disputed one
    assert first.share == 0.5
    assert first.ci95 is not None
    assert first.ci95.low == pytest.approx(0.0945312, abs=1e-6)
    assert (second.unlabeled, second.share, second.ci95) == (6, None, None)


def test_what_decides_names_the_pairs_that_differ(db: Database, run: str) -> None:
    for cell, label in enumerate(["good", "bad", "bad", "good", "good", "good", "good", "skip"]):
        put(db, run, cell, label)
    with db.read_scope() as session:
        cells = load_cells(session, run)
        found = what_decides(cells, values_by(session, cells, "label"), 0, 1)
    assert [(one.case_id, one.candidate_better) for one in found] == [("c0", False), ("c1", True)]
    assert (found[1].baseline_cell, found[1].candidate_cell) == (2, 3)


def test_an_export_asks_for_all_cells_at_once(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("cli:tester") as session:
        run = make_run(session, cases=1500)
    put(sqlite_db, run, 2999, "good")
    with sqlite_db.read_scope() as session:
        found = cells_labels(session, run, range(3000))
    assert len(found) == 3000
    assert [number for number, label in found.items() if label.label] == [2999]


def test_agreement_counts_items_with_two_opinions(db: Database, run: str) -> None:
    pairs = [("good", "good"), ("bad", "bad"), ("good", "bad"), ("good", "skip")]
    for cell, (one, other) in enumerate(pairs):
        put(db, run, cell, one, "a")
        put(db, run, cell, other, "b")
    with db.read_scope() as session:
        found = run_agreement(session, run)
    assert found.annotators == ("a", "b")
    assert found.items == 3
    assert found.percent_agreement == pytest.approx(2 / 3)
    assert found.cohen_kappa == {"a|b": pytest.approx(0.4)}


def test_cost_per_good_takes_the_price_of_the_labeled_cells(db: Database) -> None:

    with db.session_scope("cli:tester") as session:
        run = make_run(session, cases=4, cost=Decimal("0.001"))
    for row, label in enumerate(["good", "bad", "good", "good"]):
        put(db, run, 2 * row, label)
    with db.read_scope() as session:
        paid, unpriced = costs_per_good(session, run, [Decimal("0.006"), None], [4, 4])
    assert paid.cost_per_good == Decimal("0.002")  # 0.006 / (4 · 3/4)
    assert paid.ci95 is not None
    assert paid.ci95.low < 0.002 < paid.ci95.high
    assert unpriced.cost_per_good is None


def test_an_empty_content_is_only_made_by_taking_back() -> None:
    assert LabelContent(None).label is None
    with pytest.raises(Invalid):
        checked("")


def test_shares_are_light_to_import() -> None:
    code = (
        "import sys, evalsets.verdicts.labeled_arms\n"
        "print([m for m in ('numpy', 'scipy', 'pandas', 'statsmodels') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
