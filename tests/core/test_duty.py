"""Of several processes on a database one has a duty; another takes it when that one is gone."""

import os
import signal
import subprocess
import sys
import time

from sqlalchemy import text

from core.database import Database
from core.duty import Duty

HOLDER = """
import os, sys, time
from core.database import Database
from core.duty import Duty
from core.settings import load_settings
database = Database(load_settings())
print(Duty(database, "d").is_mine(), flush=True)
time.sleep(60)
"""


def test_another_process_has_it_until_it_is_killed(db: Database) -> None:
    mine = Duty(db, "d")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True,
        env={**os.environ, **db.settings.as_environment()},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "True"
        assert not mine.is_mine()
        assert Duty(db, "other").is_mine(), "duties are apart"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    deadline = time.monotonic() + 10
    while not mine.is_mine():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    mine.leave()


def test_it_is_kept_and_left(db: Database) -> None:
    first, second = Duty(db, "d"), Duty(db, "d")
    assert [first.is_mine(), first.is_mine(), second.is_mine()] == [True, True, False]
    second.leave()
    assert first.is_mine()
    first.leave()
    assert second.is_mine()
    second.leave()


def test_a_lost_connection_is_a_lost_duty(db: Database) -> None:
    if db.is_sqlite:
        return
    first, second = Duty(db, "d"), Duty(db, "d")
    assert first.is_mine()
    with db.engine.connect() as other:
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory'"
        other.execute(text(f"{ended} AND pid <> pg_backend_pid()"))
    assert second.is_mine()
    assert not first.is_mine()
    second.leave()
