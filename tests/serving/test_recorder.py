"""Calls are written in groups, whatever dies or is refused; nobody who answers a call waits."""

import asyncio
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlmodel import Session, col, select

from core.clock import utcnow
from core.database import Database
from serving.models import ApiKey, App, Trace, TraceContent
from serving.recorder import MOST_IN_GROUP, Recorder
from serving.records import CallContent, CallRecord, Step
from tests.support.calls import call, make_app, make_key, said
from tests.support.depth import DEEP


def add_app(db: Database) -> App:
    with db.session_scope("test") as session:
        return make_app(session)


def ids(db: Database) -> list[str]:
    with db.read_scope() as session:
        return list(session.exec(select(Trace.id).order_by(col(Trace.at), col(Trace.id))))


def test_a_call_is_written_whole(db: Database):
    app = add_app(db)
    content = said("where\x00?", "here\x00")
    content.sources = [{"n": 1, "document": "d"}]
    content.steps.append(Step("guard", "pii", 1.0, 0.5, ok=False, detail={"found": ["email"]}))
    record = call(app, content=content, user="u-1", canary=True, alias="staging")
    recorder = Recorder(db, 0.01)
    recorder.put(record)
    assert recorder.close()
    with db.read_scope() as session:
        row, wide = session.exec(select(Trace)).one(), session.exec(select(TraceContent)).one()
    for name in ("id", "app_id", "release", "at", "canary", "user", "cost", "ttft_ms"):
        assert getattr(row, name) == getattr(record, name)
    assert (row.preview, row.rating, row.review) == ("here\x00", None, None)
    assert wide.inputs == {"question": "where\x00?"}
    assert wide.output == "here\x00"
    assert wide.sources == [{"n": 1, "document": "d"}]
    assert wide.steps[-1] == {
        "kind": "guard", "name": "pii", "at_ms": 1.0, "ms": 0.5, "ok": False,
        "detail": {"found": ["email"]},
    }  # fmt: skip


def test_without_content_nothing_of_it_is_kept(sqlite_db: Database):
    app = add_app(sqlite_db)
    recorder = Recorder(sqlite_db, 0.01)
    recorder.put(call(app, content=None))
    recorder.put(call(app, content=CallContent(), state="failed", error="No answer. Try again."))
    recorder.close()
    with sqlite_db.read_scope() as session:
        assert list(session.exec(select(Trace.preview))) == ["", "No answer. Try again."]
        assert len(list(session.exec(select(TraceContent)))) == 1


def test_what_no_column_holds_spoils_no_group(db: Database):
    app = add_app(db)
    half = "half \ud800 a character"
    bad = [
        call(app, content=said(half, half), user=half),
        call(app, user="a\x00b"),
        call(app, content=CallContent(inputs={"n": 2**70, half: [half]})),
        call(app, error=half, state="failed", content=None),
        call(app, input_tokens=2**70, content=said()),
        call(app, latency_ms=float("nan")),
        call(app, content=CallContent(steps=[Step("x", "y", 0, 0, detail={"o": object()})])),
    ]
    good = [call(app) for _ in range(20)]
    recorder = Recorder(db, 0.05)
    for record in [*good[:10], *bad, *good[10:]]:
        recorder.put(record)
    assert recorder.close()
    assert sorted(ids(db)) == sorted(one.id for one in [*good, *bad])
    assert recorder.counts.unkept <= 2
    with db.read_scope() as session:
        kept = session.get(TraceContent, bad[0].id)
        assert kept is not None
        assert kept.output == "half ��� a character"
        assert session.get(TraceContent, bad[2].id).inputs["n"] == str(2**70)  # type: ignore[union-attr]


def test_a_lost_answer_of_a_commit_doubles_nothing(db: Database):
    app = add_app(db)
    record = call(app)
    for _ in range(2):
        recorder = Recorder(db, 0.01)
        recorder.put(record)
        assert recorder.close()
    assert ids(db) == [record.id]


def test_a_use_of_a_key_is_noted_at_most_once_a_minute(db: Database):
    with db.session_scope("test") as session:
        app = make_app(session)
        key = make_key(session, "shop", app)
    now = utcnow()
    recorder = Recorder(db, 0.01)

    def used_at(seconds: int):
        recorder.put(call(app, now + timedelta(seconds=seconds), key_id=key.id))
        assert recorder.flush()
        with db.read_scope() as session:
            found = session.get(ApiKey, key.id)
            assert found is not None
            return found.last_used_at

    assert [used_at(s) for s in (0, 30, 61)] == [now, now, now + timedelta(seconds=61)]
    recorder.close()


def broken(db: Database, wrong: bool) -> None:
    """Take the table away, or bring it back: what a database does that is gone for a while."""
    old, new = ("traces", "traces_gone") if wrong else ("traces_gone", "traces")
    with db.exclusive_connection() as connection:
        connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


def test_a_database_that_comes_back_gets_everything(db: Database):
    app = add_app(db)
    recorder = Recorder(db, 0.01)
    broken(db, True)
    records = [call(app) for _ in range(30)]
    for record in records:
        recorder.put(record)
    assert not recorder.flush(0.3)
    assert recorder.counts.failures
    assert recorder.pending(records[0].id)
    broken(db, False)
    assert recorder.flush()
    assert not recorder.pending(records[0].id)
    assert sorted(ids(db)) == sorted(one.id for one in records)
    assert recorder.close()


def test_memory_is_bounded_contents_go_before_calls(sqlite_db: Database):
    app = add_app(sqlite_db)
    recorder = Recorder(sqlite_db, 0.01, most_bytes=200_000, most_rows=50)
    broken(sqlite_db, True)
    records = [call(app, content=said("x" * 5000)) for _ in range(80)]
    for record in records:
        recorder.put(record)
    recorder.flush(0.2)
    for record in (more := [call(app, content=said("x" * 5000)) for _ in range(20)]):
        recorder.put(record)
    assert recorder.waiting <= 50
    broken(sqlite_db, False)
    assert recorder.close()
    assert ids(sqlite_db) == [one.id for one in [*records, *more][-50:]]
    with sqlite_db.read_scope() as session:
        contents = set(session.exec(select(TraceContent.id)))
    assert 1 <= len(contents) <= 10
    assert more[-1].id in contents
    assert recorder.counts.dropped == 50
    assert recorder.counts.contents_dropped >= 40


def test_putting_takes_no_time_while_the_database_is_locked(sqlite_db: Database):
    app = add_app(sqlite_db)
    records = [call(app) for _ in range(200)]
    recorder = Recorder(sqlite_db, 0.001)
    with sqlite_db.exclusive_connection():
        recorder.put(records[0])
        time.sleep(0.05)
        begun = time.thread_time()
        for record in records[1:]:
            recorder.put(record)
        assert time.thread_time() - begun < 0.05
        assert ids(sqlite_db) == []
    assert recorder.close()
    assert len(ids(sqlite_db)) == 200


async def test_a_rating_that_comes_at_once_waits_for_its_call(sqlite_db: Database):
    app = add_app(sqlite_db)
    recorder = Recorder(sqlite_db, 30)
    record = call(app)
    recorder.put(record)
    await asyncio.sleep(0.02)
    assert recorder.pending(record.id)
    await recorder.settled(record.id)
    assert ids(sqlite_db) == [record.id]
    await recorder.settled("unknown")
    recorder.close()


def test_many_threads_lose_nothing(sqlite_db: Database):
    app = add_app(sqlite_db)
    recorder = Recorder(sqlite_db, 0.002)
    records = [[call(app, content=None) for _ in range(300)] for _ in range(4)]

    def work(mine):
        for record in mine:
            recorder.put(record)
            time.sleep(0.0002)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorder.close()
    assert sorted(ids(sqlite_db)) == sorted(one.id for mine in records for one in mine)


def stopped(db: Database, number: signal.Signals, after: float) -> tuple[dict[str, float], str]:
    """What a recording process had put down, each with its moment, and the last it said."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.support.recording", str(db.settings.data),
         db.settings.database_url or ""],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(after)
    child.send_signal(number)
    lines = child.stdout.read().splitlines()
    child.stdout.close()
    child.wait(30)
    whole = [line.split() for line in lines if len(line.split()) == 2]
    return {one: float(at) for one, at in whole}, lines[-1]


@pytest.mark.timeout(600)
def test_a_kill_loses_at_most_one_group(db: Database):
    add_app(db)
    chance = random.Random(5)
    for _ in range(20 if DEEP else 1 + db.is_sqlite):
        before = set(ids(db))
        put, _ = stopped(db, signal.SIGKILL, chance.uniform(0.2, 0.6))
        kept = [one for one in ids(db) if one not in before]
        assert kept == list(put)[: len(kept)]
        lost = [at for one, at in put.items() if one not in set(kept)]
        last = max(put.values())
        print(f"{len(put)} put, {len(lost)} lost, over {last - min(lost, default=last):.3f} s")
        # 0.15 s of gathering, and what a commit takes on a busy machine
        assert last - min(lost, default=last) < 0.6


def test_a_polite_stop_loses_nothing(db: Database):
    add_app(db)
    put, said_last = stopped(db, signal.SIGTERM, 0.2)
    assert said_last == "closed"
    assert ids(db) == list(put)


def test_without_closing_a_stop_would_lose(sqlite_db: Database):
    """The control: what waits when a process ends unasked is lost."""
    app = add_app(sqlite_db)
    recorder = Recorder(sqlite_db, 30)
    record = call(app)
    recorder.put(record)
    with Session(sqlite_db.reader) as session:
        assert session.get(Trace, record.id) is None
    assert recorder.close()


def test_a_full_group_waits_for_no_time(sqlite_db: Database):
    app = add_app(sqlite_db)
    recorder = Recorder(sqlite_db, 60)
    try:
        for _ in range(MOST_IN_GROUP + 1):
            recorder.put(call(app))
        deadline = time.monotonic() + 30
        while recorder.counts.written < MOST_IN_GROUP and time.monotonic() < deadline:
            time.sleep(0.01)
        assert recorder.counts.written == MOST_IN_GROUP
        assert recorder.waiting == 1, "the rest gathers"
    finally:
        assert recorder.close()


def test_a_database_that_is_gone_is_asked_seldom_however_much_waits(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
):
    app = add_app(sqlite_db)
    recorder = Recorder(sqlite_db, 0.01)
    asked: list[float] = []
    write = recorder._writer.write

    def gone(group: list[CallRecord]) -> int:
        asked.append(time.monotonic())
        raise OSError("gone")

    monkeypatch.setattr(recorder._writer, "write", gone)
    for _ in range(3 * MOST_IN_GROUP):
        recorder.put(call(app, content=None))
    time.sleep(1)
    assert 1 <= len(asked) <= 12, "the pauses grow"
    monkeypatch.setattr(recorder._writer, "write", write)
    assert recorder.close(20)
    assert recorder.counts.written == 3 * MOST_IN_GROUP
