"""What changed between two runs, what decides between two arms, and the score by tag."""

import pytest
from sqlmodel import Session, col, select

from core.database import Database
from core.errors import Invalid
from evalsets.labels.service import Press, checked, item_of, save_label
from evalsets.models import Case, Cell, Run
from evalsets.runs.cells import load_cells
from evalsets.verdicts.between_json import between_json
from evalsets.verdicts.between_runs import compare_runs, figures_of_both
from evalsets.verdicts.deciding import what_decides
from evalsets.verdicts.slices import slices
from evalsets.verdicts.values import values_by
from tests.support.runs_factory import make_run, score_run

OLD = ("ask@1 | echo", "gone@1 | echo")
NEW = ("other@1 | echo", "ask@2 | echo")


def two_runs(session: Session) -> tuple[str, str]:
    """Ten cases before, twelve after; the second and the third of `ask` fall, the first rises."""

    def answered(row: int, arm: int, _: int) -> str | None:
        return None if (row, arm) == (2, 1) else f"new {row} {arm}"

    before = make_run(session, cases=10, arms=OLD)
    after = make_run(session, cases=12, arms=NEW, output=answered)
    score_run(session, before, "exact", lambda cell: float(cell.number != 0))
    score_run(session, after, "exact", lambda cell: float(cell.number != 3))
    return before, after


def test_arms_are_matched_by_prompt_and_cases_by_inputs(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("test") as session:
        before, after = two_runs(session)
        found = compare_runs(session, before, after)
        shown = between_json(found)
    assert (found.by, found.cases, found.cases_only_before, found.cases_only_after) == (
        "exact", 10, 0, 2,
    )  # fmt: skip
    assert (found.only_before, found.only_after) == (("gone@1 | echo",), ("other@1 | echo",))
    (arm,) = found.arms
    assert (arm.before.arm, arm.name) == ("ask@1 | echo", "ask@2 | echo")
    assert [(one.case_id, one.after) for one in arm.worse] == [("c1", 0.0), ("c2", None)]
    assert [(one.case_id, one.before_cell, one.after_cell) for one in arm.better] == [("c0", 0, 1)]
    assert arm.comparison.n_pairs == 9, "the cell without an answer is in no pair"
    assert arm.comparison.difference == 0
    assert arm.comparison.difference_ci95 is not None
    assert arm.comparison.p_adjusted == arm.comparison.p_value == 1
    assert [one["case_id"] for one in shown["arms"][0]["newly_failing"]] == ["c1", "c2"]
    assert shown["cases"] == {"both": 10, "only_before": 0, "only_after": 2}


def test_labels_of_both_come_before_scores(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("test") as session:
        before, after = two_runs(session)
        for run in (before, after):
            save_label(session, item_of(session, run, 1), checked("good"), Press("import"))
        assert compare_runs(session, before, after).by == "label"
        assert figures_of_both(session, before, after) == ["label", "exact"]


@pytest.mark.parametrize("way", ["itself", "another data set", "an unknown figure"])
def test_what_cannot_be_compared_is_refused(sqlite_db: Database, way: str) -> None:
    with sqlite_db.session_scope("test") as session:
        run = make_run(session, cases=2)
        other = make_run(
            session, cases=2, dataset="others" if way.startswith("another") else "questions"
        )
        with pytest.raises(Invalid, match=r"Choose"):
            compare_runs(session, run, run if way == "itself" else other, by="exact")


def test_the_case_that_weighs_most_over_its_repeats_decides_first(sqlite_db: Database) -> None:
    def good(cell: Cell) -> float:
        row, repeat = cell.number // 6, cell.repeat
        if row == 0:
            return float(cell.arm == 0 or repeat > 1)
        return float(cell.arm == 1) if row == 2 else 1.0

    with sqlite_db.session_scope("test") as session:
        run = make_run(session, cases=3, repeats=3)
        score_run(session, run, "exact", good)
        cells = load_cells(session, run)
        found = what_decides(cells, values_by(session, cells, "exact"), 0, 1)
    assert [(one.case_id, one.repeat, one.difference) for one in found] == [
        ("c2", 1, 1), ("c2", 2, 1), ("c2", 3, 1), ("c0", 1, -1),
    ]  # fmt: skip
    assert [one.candidate_better for one in found] == [True, True, True, False]


def test_slices_are_tags_and_splits_that_are_a_part(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("test") as session:
        run = make_run(session, cases=6)
        score_run(session, run, "exact", lambda cell: float(cell.number < 6))
        version = session.exec(select(Run.version_id).where(Run.id == run)).one()
        rows = session.exec(
            select(Case).where(Case.version_id == version).order_by(col(Case.position))
        )
        for row in rows.all():
            row.tags = ["all", "early"] if row.position < 3 else ["all"]
            row.split = "train" if row.position < 4 else "holdout"
        session.flush()
        cells = load_cells(session, run)
        found = slices(session, cells, values_by(session, cells, "exact"))
    assert [(one.kind, one.name, one.n_cases) for one in found] == [
        ("split", "train", 4), ("split", "holdout", 2), ("tag", "early", 3),
    ]  # fmt: skip
    early = found[2].arms[0]
    assert (early.n, early.good, early.share) == (3, 3, 1)
    assert early.ci95 is not None
    assert early.ci95.low == pytest.approx(0.4385, abs=1e-4)
