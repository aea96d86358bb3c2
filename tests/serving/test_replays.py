"""The failed set is asked of the whole release, and found again."""

import pytest

from core.database import Database
from core.errors import NotFound
from evalsets.models import Run
from evalsets.runs.worker import run_here
from serving import gates, replays
from serving.settings import FailedSet
from tests.support.apps import ACTOR, change, make_app, push, release
from tests.support.runs_factory import make_run

FAILED = FailedSet(dataset="questions", evaluators=("contains:number 1",))


@pytest.fixture
def faq(sqlite_db: Database) -> Database:
    """Two releases of `faq`, and the data set `questions`."""
    push(sqlite_db, "Answer {{ question }}")
    make_app(sqlite_db)
    release(sqlite_db)
    change(sqlite_db, repair=False)
    release(sqlite_db)
    with sqlite_db.session_scope(ACTOR) as session:
        make_run(session, cases=3, imported=True)
    return sqlite_db


def candidate(db: Database, number: int) -> gates.Candidate:
    with db.read_scope() as session:
        return gates.candidate(session, "faq", number)


def find(db: Database, number: int, failed: FailedSet = FAILED) -> replays.Replay | None:
    with db.read_scope() as session:
        return replays.find(session, candidate(db, number), failed)


async def test_a_replay_is_a_run_of_the_whole_app(faq: Database) -> None:
    from app.apps_in_runs import answer_apps

    assert find(faq, 2) is None
    run_id = replays.start(faq, ACTOR, candidate(faq, 2), FAILED, here=True)
    waiting = find(faq, 2)
    assert waiting is not None
    assert (waiting.run, waiting.done, waiting.cases) == (run_id, False, 3)
    await run_here(faq, run_id, apps=answer_apps)
    found = find(faq, 2)
    assert found is not None
    assert (found.done, found.failed, found.dataset) == (True, 0, "questions@1")
    assert found.scores == {"contains": pytest.approx(1 / 3)}
    assert find(faq, 1) is None


def test_the_same_question_is_one_run(faq: Database) -> None:
    first = replays.start(faq, ACTOR, candidate(faq, 2), FAILED)
    assert replays.start(faq, ACTOR, candidate(faq, 2), FAILED) == first
    assert replays.start(faq, ACTOR, candidate(faq, 1), FAILED) != first


def test_a_cancelled_replay_and_an_older_data_set_do_not_count(faq: Database) -> None:
    run_id = replays.start(faq, ACTOR, candidate(faq, 2), FAILED)
    with faq.session_scope(ACTOR) as session:
        run = session.get(Run, run_id)
        assert run is not None
        run.status = "cancelled"
        session.add(run)
    assert find(faq, 2) is None
    assert replays.start(faq, ACTOR, candidate(faq, 2), FAILED) != run_id
    again = replays.start(faq, ACTOR, candidate(faq, 1), FAILED)
    with faq.session_scope(ACTOR) as session:
        make_run(session, cases=4, imported=True)
    assert find(faq, 1) is None
    older = find(faq, 1, FAILED.model_copy(update={"dataset": "questions@1"}))
    assert older is not None
    assert older.run == again


def test_a_failed_set_that_is_gone_is_named(faq: Database) -> None:
    with pytest.raises(NotFound, match="gone"):
        find(faq, 1, FailedSet(dataset="gone"))
