"""The matrix by biggest loss agrees with the labels and scores as Python counts them."""

import random
from datetime import UTC, datetime

import pytest
from sqlmodel import Session, select

from core.errors import NotFound
from evalsets.labels.state import label_state
from evalsets.models import Cell, CellScore, Label
from evalsets.runs.highlights import highlighted, toggle_highlight
from evalsets.runs.matrix import matrix_page
from evalsets.runs.matrix_order import ByLoss
from evalsets.statistics.cells import State
from tests.support.runs_factory import make_run, score_run

_SEED = 20_261
VALUES = {State.GOOD: 1.0, State.BAD: 0.0}


def labeled_at_random(session: Session, run: str) -> None:
    """Several annotators who change their minds, take labels back and adjudicate."""
    rng = random.Random(_SEED)
    cells = session.exec(select(Cell).where(Cell.run_id == run)).all()
    for _ in range(4 * len(cells)):
        cell = rng.choice(cells)
        if cell.item_key is not None:
            session.add(
                Label(
                    item_key=cell.item_key,
                    annotator=f"annotator-{rng.randrange(3)}",
                    label=rng.choice(["good", "good", "bad", "skip", None]),
                    adjudicated=rng.random() < 0.15,
                    run_id=run,
                    cell=cell.number,
                    actor="user:admin",
                    at=datetime.now(UTC),
                )
            )
            session.flush()


def expected(session: Session, run: str, base: int, values: dict[int, float]) -> list[int]:
    """Keys by loss, unknown last; then in the order of the cases."""
    rows: dict[int, dict[int, float]] = {}
    keys: dict[int, int] = {}
    for cell in session.exec(select(Cell).where(Cell.run_id == run)):
        key = cell.number // 6 * 2 + cell.repeat - 1  # three arms, two repeats
        keys[key] = key
        if cell.number in values:
            rows.setdefault(key, {})[cell.arm] = values[cell.number]

    def loss(key: int) -> float:
        found = rows.get(key, {})
        others = [value for arm, value in found.items() if arm != base]
        return found[base] - min(others) if base in found and others else float("-inf")

    return sorted(keys, key=lambda key: (-loss(key), key))


def walked(session: Session, run: str, order: ByLoss, **filters) -> list[int]:
    """Keys of all pages forwards, checked against all pages backwards."""
    found: list[int] = []
    page = matrix_page(session, run, order=order, limit=7, **filters)
    while True:
        found += [row.key for row in page.rows]
        if page.after is None:
            break
        page = matrix_page(session, run, order=order, limit=7, after=page.after, **filters)
    back = [row.key for row in page.rows]
    while page.before is not None:
        page = matrix_page(session, run, order=order, limit=7, before=page.before, **filters)
        back = [row.key for row in page.rows] + back
    assert back == found
    return found


def the_run(session: Session) -> str:
    arms = ("p@1 | echo", "p@2 | echo", "p@3 | echo")
    return make_run(
        session, cases=15, arms=arms, repeats=2,
        output=lambda r, a, n: None if (r, a) == (3, 1) else f"{r} {a} {n}",
    )  # fmt: skip


@pytest.mark.parametrize("base", [0, 2])
def test_by_labels_of_several_annotators(db, base):
    with db.session_scope("user:admin") as session:
        run = the_run(session)
        labeled_at_random(session, run)
        states = label_state(session, run).states()
        values = {
            cell.number: VALUES[state]
            for cell in session.exec(select(Cell).where(Cell.run_id == run))
            if (state := states.get(cell.item_key or "")) in VALUES
        }
        wanted = expected(session, run, base, values)
        assert {len({round(v) for v in values.values()}), len(values) > 20} == {2, True}
        assert walked(session, run, ByLoss(base)) == wanted


def test_by_a_score_and_under_a_filter(db):
    with db.session_scope("user:admin") as session:
        run = the_run(session)
        rng = random.Random(_SEED)
        score_run(session, run, "tone", lambda c: None if c.number % 5 == 0 else rng.random() / 3)
        scores = session.exec(select(CellScore).where(CellScore.run_id == run))
        values = {one.cell: one.value for one in scores if one.value is not None}
        wanted = expected(session, run, 1, values)
        assert walked(session, run, ByLoss(1, "tone")) == wanted
        failed = walked(session, run, ByLoss(1, "tone"), show="failed")
        assert failed == [key for key in wanted if key in (6, 7)]


def test_marked_cells_are_found(db):
    with db.session_scope("user:admin") as session:
        run = the_run(session)
        assert matrix_page(session, run, show="highlighted").rows == []
        assert toggle_highlight(session, run, 13)
        assert highlighted(session, run, range(20)) == {13}
        (row,) = matrix_page(session, run, show="highlighted").rows
        assert [cell.highlighted for cell in row.cells if cell] == [
            cell.number == 13 for cell in row.cells if cell
        ]
        assert not toggle_highlight(session, run, 13)
        assert matrix_page(session, run, show="highlighted").rows == []
        with pytest.raises(NotFound):
            toggle_highlight(session, run, 10_000)
