"""Who waits for work asks first whether anything was written, and misses nothing that was."""

from contextlib import closing

import pytest
from sqlalchemy import event

from core import jobs
from core.changes import Changes
from core.database import Database
from core.job_board import JobBoard
from core.models import Setting
from core.settings import Settings


def write(database: Database, key: str) -> None:
    with database.session_scope("user:a") as session:
        session.add(Setting(key=key, value={}))


def queued(database: Database, kind: str, ref: str) -> None:
    with database.session_scope("user:a") as session:
        jobs.enqueue(session, kind, ref)


def test_a_commit_of_any_connection_or_process_shows_once(sqlite_db: Database) -> None:
    changes = Changes(sqlite_db)
    assert changes.since_last()
    assert not changes.since_last()
    write(sqlite_db, "one")
    assert changes.since_last()
    assert not changes.since_last()
    other = Database(Settings(data_dir=sqlite_db.settings.data, database_url=None))
    write(other, "two")
    other.close()
    assert changes.since_last()
    with sqlite_db.read_scope() as session:
        session.get(Setting, "one")
    with pytest.raises(RuntimeError), sqlite_db.session_scope("user:a") as session:
        session.add(Setting(key="three", value={}))
        session.flush()
        raise RuntimeError
    assert not changes.since_last(), "reading and rolling back change nothing"
    changes.close()
    assert changes.since_last(), "a new connection knows of nothing"
    changes.close()


def test_a_broken_connection_is_a_change(sqlite_db: Database) -> None:
    changes = Changes(sqlite_db)
    changes.since_last()
    assert changes._connection is not None
    changes._connection.driver_connection.close()  # type: ignore[union-attr]
    assert changes.since_last()
    assert changes.since_last(), "the first look of the new one"
    assert not changes.since_last()
    changes.close()


def test_postgresql_is_taken_as_changed(postgres_db: Database) -> None:
    changes = Changes(postgres_db)
    assert changes.since_last()
    assert changes.since_last()
    changes.close()


async def test_the_board_has_a_kind_while_a_job_of_it_is_open(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.job_board.FRESH_SECONDS", 0.0)
    with closing(JobBoard(db)) as board:
        assert not await board.has("run")
        queued(db, "run", "r1")
        queued(db, "ingest", "i1")
        assert await board.has("run")
        with db.session_scope("worker") as session:
            held = jobs.claim(session, "run", "me")
            assert held is not None
        assert await board.has("run"), "its owner may die, which no table says"
        with db.session_scope("worker") as session:
            jobs.finish(session, held)
        assert not await board.has("run")
        assert await board.has("ingest")


async def test_all_who_ask_share_a_reading_and_a_still_database_is_not_read(
    sqlite_db: Database,
) -> None:
    asked: list[str] = []
    listen = (sqlite_db.reader, "before_cursor_execute")

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(*listen, note)
    try:
        with closing(JobBoard(sqlite_db)) as board:
            for _ in range(20):
                assert not await board.has("run")
                assert not await board.has("ingest")
            assert sum("jobs" in one for one in asked) == 1
    finally:
        event.remove(*listen, note)


async def test_a_board_whose_reading_failed_reads_again(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(JobBoard(sqlite_db)) as board:
        queued(sqlite_db, "run", "r1")
        monkeypatch.setattr(board, "_read", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await board.has("run")
        monkeypatch.undo()
        assert await board.has("run")
