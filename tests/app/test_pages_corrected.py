"""The verdict by a judge: corrected by people, and the place that a judge of pairs favours."""

from sqlmodel import Session

from core.database import Database
from evalsets.labels.service import Press, checked, item_of, save_label
from evalsets.models import CellScore, Run
from tests.support.pages import page, words
from tests.support.runs_factory import make_run, score_run

FROZEN = {
    "prompt": {"messages": [{"role": "user", "content": "{{ case }}"}]},
    "prompt_name": "judge",
    "model": {"name": "strict", "settings": {"kind": "echo", "model": "echo"}},
}


def run_of(session: Session, *specs: dict[str, object]) -> str:
    """Thirty cases of two arms, the second better in every third."""
    run_id = make_run(session, cases=30, imported=True)
    run = session.get_one(Run, run_id)
    evaluators = [{"name": spec["name"], "spec": spec, "judge": FROZEN} for spec in specs]
    run.manifest = {**run.manifest, "evaluators": evaluators}
    session.add(run)
    return run_id


def test_the_share_by_a_judge_stands_beside_what_people_make_of_it(
    workspace, sqlite_db: Database
) -> None:
    with sqlite_db.session_scope("user:admin") as session:
        run_id = run_of(
            session, {"kind": "judge", "name": "tone", "rubric": "r", "model": "strict"}
        )
        score_run(session, run_id, "tone", lambda c: float(c.arm == 1 or c.number % 3 == 0))
        for cell in range(48):
            content = checked("good" if cell % 2 or cell % 6 == 0 else "bad")
            save_label(session, item_of(session, run_id, cell), content, Press("queue"))
    for tab in ("verdict", "overview"):
        found = page("runs", id=run_id, tab=tab, by="tone")
        assert not found.exception
        assert "24 labeled cases correct the scores of 30" in words(found) + tables(found)


def test_a_judge_of_pairs_shows_its_position_bias(workspace, sqlite_db: Database) -> None:
    with sqlite_db.session_scope("user:admin") as session:
        pair = {"kind": "pairwise", "rubric": "r", "model": "strict"}
        names = ("pairs", "pairs-turned")
        run_id = run_of(
            session, *({**pair, "name": name, "turned": name != "pairs"} for name in names)
        )
        session.add_all(
            CellScore(
                run_id=run_id,
                cell=2 * n + 1,
                evaluator=name,
                value=float(n < 24 or name == "pairs"),
            )
            for n in range(30)
            for name in names
        )
    found = page("runs", id=run_id, tab="verdict", by="pairs")
    assert not found.exception
    said = words(found).replace("\\", "")
    assert "changed with the order in 20 % of 30 pairs" in said
    assert "+20 points" in said


def tables(found) -> str:
    return " ".join(str(table.value.to_dict("records")) for table in found.dataframe)
