"""Means of scores counted in SQL are those of the cells, to the last bit."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from core.database import Database
from evalsets.models import Cell
from evalsets.runs.cells import load_cells
from evalsets.statistics.cells import values_by_case
from evalsets.statistics.scores import mean_score
from evalsets.verdicts.mean_scores import mean_scores
from evalsets.verdicts.scored_arms import score_values, scores_of
from tests.support.runs_factory import distinct, make_run, score_run

Value = Callable[[Cell], float | None]
SCORES: dict[str, Value] = {
    "some": lambda cell: float(cell.number % 3 == 0),
    "all": lambda cell: 1.0,
    "none": lambda cell: 0.0,
    "gaps": lambda cell: None if cell.number % 4 == 0 else float(cell.number % 5 < 2),
    "one_arm": lambda cell: 1.0 if cell.arm else None,
    "unscored": lambda cell: None,
    "graded": lambda cell: cell.number / 7,
    "mostly": lambda cell: 1.0 if cell.number else 0.5,
}
TWINS = [{"question": f"number {n % 9}"} for n in range(12)]
RUNS: dict[str, dict[str, Any]] = {
    "plain": {"cases": 40},
    "repeats": {"cases": 15, "repeats": 3},
    "equal inputs": {"cases": TWINS},
    "failures": {"cases": 20, "output": lambda *c: None if c[0] % 3 == 0 else distinct(*c)},
    "holes": {"cases": 20, "only": lambda row, arm: row % 2 == arm, "imported": True},
}


def slowly(db: Database, run_id: str) -> dict[str, Any]:
    with db.read_scope() as session:
        cells = load_cells(session, run_id)
        return {
            name: [
                mean_score(values_by_case(score_values(rows, scores_of(session, run_id, name))))
                for rows in cells.by_arm()
            ]
            for name in sorted(SCORES)
        }


@pytest.mark.parametrize("kind", RUNS)
def test_counts_give_what_the_cells_give(db: Database, kind: str) -> None:
    with db.session_scope("test") as session:
        run_id = make_run(session, **RUNS[kind])
        for name, value in SCORES.items():
            score_run(session, run_id, name, value)
    with db.read_scope() as session:
        found = mean_scores(session, run_id)
    assert found == slowly(db, run_id)
    assert repr(found) == repr(slowly(db, run_id))


@pytest.mark.parametrize(("name", "read"), [("some", False), ("graded", True)])
def test_cells_are_read_only_where_counts_do_not_suffice(
    sqlite_db: Database, name: str, read: bool
) -> None:
    with sqlite_db.session_scope("test") as session:
        run_id = make_run(session, cases=10)
        score_run(session, run_id, name, SCORES[name])
    asked: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    event.listen(sqlite_db.reader, "before_cursor_execute", note)
    with sqlite_db.read_scope() as session:
        assert list(mean_scores(session, run_id)) == [name]
    assert any("item_key" in statement for statement in asked) == read


def test_a_run_without_scores_has_none(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("test") as session:
        run_id = make_run(session, cases=2)
    with sqlite_db.read_scope() as session:
        assert mean_scores(session, run_id) == {}
