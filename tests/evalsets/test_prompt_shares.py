"""Shares of many prompts come from few queries and agree with each run's own report."""

import pytest
from sqlalchemy import event
from sqlmodel import select

from app import example
from evalsets.models import Cell, Label, Run
from evalsets.verdicts.labeled_arms import share_of_labels
from evalsets.verdicts.prompt_shares import shares_of_prompts
from tests.support.runs_factory import make_run


def arms_of(session, run_id: str, arms: list[tuple[str, int]]) -> None:
    """Say which prompt versions a run's arms are of."""
    run = session.get(Run, run_id)
    named = [
        {**arm, "prompt": {"name": name, "version": version}}
        for arm, (name, version) in zip(run.manifest["arms"], arms, strict=True)
    ]
    run.manifest = {**run.manifest, "arms": named}
    session.add(run)
    session.flush()


def label(session, run_id: str, said, annotator: str = "one") -> None:
    for cell in session.exec(select(Cell).where(Cell.run_id == run_id)):
        word = said(cell)
        if word is not None and cell.item_key is not None:
            session.add(
                Label(
                    item_key=cell.item_key,
                    annotator=annotator,
                    label=word,
                    run_id=run_id,
                    cell=cell.number,
                    actor="user:admin",
                )
            )
            session.flush()


def test_the_newest_labeled_run_and_version_count(db):
    with db.session_scope("user:admin") as session:
        old = make_run(session, cases=10, dataset="a")
        arms_of(session, old, [("p", 1), ("q", 1)])
        label(session, old, lambda _: "bad")
        new = make_run(session, cases=10, dataset="b", repeats=2)
        arms_of(session, new, [("p", 1), ("p", 2)])
        label(session, new, lambda c: ["good", "bad", "skip", None][c.number % 4])
        label(session, new, lambda c: "bad" if c.number % 4 == 0 else None, "two")
        bare = make_run(session, cases=3, dataset="c")
        arms_of(session, bare, [("p", 3), ("r", 1)])
        found = shares_of_prompts(session, ["p", "q", "r", "no-such"])
        assert set(found) == {"p", "q"}
        own = share_of_labels(session, new)[1]
        got = found["p"]
        assert (got.run_id, got.version) == (new, 2 if own.share is not None else 1)
        own = share_of_labels(session, new)[got.version - 1]
        assert (got.share, got.ci95, got.n) == (own.share, own.ci95, own.good + own.bad)
        assert (found["q"].run_id, found["q"].share, found["q"].n) == (old, 0.0, 10)
        assert found["p"].n > 0


@pytest.mark.parametrize("prompts", [1, 12])
def test_the_number_of_queries_does_not_grow(sqlite_db, prompts):
    with sqlite_db.session_scope("user:admin") as session:
        for number in range(prompts):
            run = make_run(session, cases=4, dataset=f"d{number}")
            arms_of(session, run, [(f"p{number}", 1), (f"p{number}", 2)])
            label(session, run, lambda _: "good")
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        asked.append(statement)

    event.listen(sqlite_db.reader, "before_cursor_execute", note)
    with sqlite_db.read_scope() as session:
        found = shares_of_prompts(session, [f"p{number}" for number in range(prompts)])
    event.remove(sqlite_db.reader, "before_cursor_execute", note)
    assert len(found) == prompts
    assert len([one for one in asked if one.lstrip().startswith("SELECT")]) == 3


def test_the_example_says_what_its_verdict_says(sqlite_db):
    from connectors.service import ensure_builtin

    with sqlite_db.session_scope("user:admin") as session:
        ensure_builtin(session)
    example.load(sqlite_db, "user:admin")
    with sqlite_db.read_scope() as session:
        run = example.known_run(session)
        assert run is not None
        own = share_of_labels(session, run)[1]
        (found,) = shares_of_prompts(session, ["news"]).values()
    assert (found.version, found.share, found.ci95) == (2, own.share, own.ci95)
