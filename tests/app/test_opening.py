"""Processes that begin at once on an empty database."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from sqlmodel import select

from app.opening import open_database
from connectors.models import Model
from core.database import Database
from core.models import User
from core.settings import Settings

TOGETHER = 6


def test_all_that_begin_at_once_get_the_same_database(postgres_db: Database, tmp_path: Path):
    """The schema is there and nothing else, as after the lock of the migration."""
    barrier = Barrier(TOGETHER)

    def begin(number: int) -> tuple[list[str], list[str]]:
        settings = Settings(
            data_dir=tmp_path / str(number), database_url=postgres_db.settings.database_url
        )  # fmt: skip
        barrier.wait(10)
        database = open_database(settings)
        try:
            with database.read_scope() as session:
                users = [one.name for one in session.exec(select(User))]
                return users, sorted(one.name for one in session.exec(select(Model)))
        finally:
            database.close()

    with ThreadPoolExecutor(TOGETHER) as pool:
        found = list(pool.map(begin, range(TOGETHER)))
    assert found == [(["admin"], ["demo", "echo"])] * TOGETHER
