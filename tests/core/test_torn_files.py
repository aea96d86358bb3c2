"""A torn or garbled write-ahead log costs the newest commits at most; a killed upgrade nothing."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlmodel import select

from app.opening import check_integrity, open_database
from core.database import Database
from core.migrate import current_revision, known_revisions
from core.models import Setting
from core.settings import Settings
from tests.support.depth import DEEP

COMMITS = 60


@pytest.fixture(scope="module")
def torn_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose last commits are in the log alone, as after a power cut."""
    live, copy = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("copy")
    database = open_database(Settings(data_dir=live, database_url=None))
    with database.exclusive_connection() as connection:
        connection.exec_driver_sql("SELECT 1")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    for number in range(COMMITS):
        with database.session_scope("t") as session:
            session.add(Setting(key=f"{number:04}", value="x" * 900))
    for path in live.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    database.close()
    (copy / "promptstone.db-shm").unlink()
    assert (copy / "promptstone.db-wal").stat().st_size > 100_000
    return copy


def _rows_after(folder: Path) -> list[str]:
    database = open_database(Settings(data_dir=folder, database_url=None))
    try:
        check_integrity(database)
        with database.read_scope() as session:
            return sorted(session.exec(select(Setting.key)))
    finally:
        database.close()


def test_whatever_happens_to_the_log_the_rows_are_a_prefix(torn_source: Path, tmp_path: Path):
    whole = (torn_source / "promptstone.db-wal").read_bytes()
    everything = [f"{number:04}" for number in range(COMMITS)]
    chance, lengths = random.Random(5), set()
    for number in range(1000 if DEEP else 100):
        folder = tmp_path / "torn"
        shutil.copytree(torn_source, folder)
        wal = bytearray(whole)
        if number % 2:
            del wal[chance.randrange(len(wal)) :]
        else:
            for _ in range(chance.choice((1, 1, 5))):
                wal[chance.randrange(len(wal))] ^= 1 << chance.randrange(8)
        (folder / "promptstone.db-wal").write_bytes(wal)
        rows = _rows_after(folder)
        assert rows == everything[: len(rows)]
        lengths.add(len(rows))
        shutil.rmtree(folder)
    assert len(lengths) > 10


def test_an_untouched_log_gives_every_row(torn_source: Path, tmp_path: Path):
    """The control."""
    shutil.copytree(torn_source, tmp_path / "whole")
    assert len(_rows_after(tmp_path / "whole")) == COMMITS


_MIGRATING = """
import sys
from pathlib import Path
from alembic import command
from core.database import Database
from core.migrate import migrate
from core.settings import Settings
database = Database(Settings(data_dir=Path(sys.argv[1]), database_url=None))
print("ready", flush=True)
migrate(database)
print("done", flush=True)
"""


def _migrating(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _MIGRATING, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_killed_upgrade_leaves_the_old_schema_or_the_new_one(tmp_path: Path):
    process = _migrating(tmp_path / "timed")
    began = time.monotonic()
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    takes = time.monotonic() - began
    process.wait()
    process.stdout.close()
    chance, found = random.Random(2), set()
    for number in range(30 if DEEP else 5):
        folder = tmp_path / f"k{number}"
        process = _migrating(folder)
        time.sleep(chance.random() * takes)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        database = Database(Settings(data_dir=folder, database_url=None))
        revision = current_revision(database)
        database.close()
        assert revision in (None, known_revisions()[-1])
        found.add(revision)
        database = open_database(Settings(data_dir=folder, database_url=None))
        check_integrity(database)
        assert current_revision(database) == known_revisions()[-1]
        database.close()
    assert None in found
