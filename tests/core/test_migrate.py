"""The schema: what the tables say, and what a killed upgrade leaves behind."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

import app.tables  # noqa: F401
from core.database import Base, Database
from core.errors import Unavailable
from core.migrate import current_revision, known_revisions, migrate
from core.settings import Settings
from tests.support.depth import DEEP


def test_the_migrations_make_what_the_tables_say(db: Database) -> None:
    def ours(thing: object, name: str | None, kind: str, *_: object) -> bool:
        return kind != "table" or not str(name).startswith("test_")  # other tests make tables too

    with db.reader.connect() as connection:
        options = {"compare_type": False, "include_object": ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_a_second_start_changes_nothing(db: Database) -> None:
    migrate(db)
    assert current_revision(db) == known_revisions()[-1]


def test_a_newer_database_is_refused(db: Database) -> None:
    with db.exclusive_connection() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match="newer"):
        migrate(db)


def test_a_killed_upgrade_leaves_no_schema_or_the_whole(tmp_path: Path) -> None:
    code = (
        "import sys; from core.database import Database; from core.migrate import migrate;"
        "from core.settings import Settings; d = Database(Settings(data_dir=sys.argv[1]));"
        "print('ready', flush=True); migrate(d)"
    )
    chance = random.Random(7)
    for turn in range(30 if DEEP else 4):
        data = tmp_path / str(turn)
        child = subprocess.Popen([sys.executable, "-c", code, str(data)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0, 0.6))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        database = Database(Settings(data_dir=data))
        assert current_revision(database) in (None, known_revisions()[-1])
        migrate(database)
        assert current_revision(database) == known_revisions()[-1]
        database.close()
