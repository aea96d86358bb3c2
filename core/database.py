"""One database, SQLite or PostgreSQL: who may write when, and how a connection must be set up.

On SQLite a writing transaction takes a `flock` and then BEGIN IMMEDIATE, because many tight
writers starve behind SQLite's own busy handler; readers use a read-only pool without the lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import orjson
from pysqlite3 import dbapi2
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import registry
from sqlmodel import Session, SQLModel

from core.errors import Invalid, PromptstoneError, Unavailable
from core.locks import FileLock
from core.settings import Settings

BUSY_TIMEOUT_MS = 10_000
_NO_TEXT = "A text holds a NUL or half of a surrogate pair, which cannot be kept. Remove it."
_UNKEEPABLE = {
    "NUL (0x00)": _NO_TEXT,
    "surrogates not allowed": _NO_TEXT,
    "pattern too complex": "The text to search for is too long. Shorten it.",
    "Recursion limit reached": "A value is nested too deep to be kept. Flatten it.",
}
_FULL = "The disk of the database is full. Free some space and do it again; what was saved is kept."
_BROKEN = "The disk of the database gives errors. Check its free space, its rights and the disk."
_TROUBLE = {
    "database or disk is full": _FULL,
    "No space left on device": _FULL,
    "disk I/O error": _BROKEN,
    "attempt to write a readonly database": _BROKEN,
}
_POSTGRES = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "options": f"-c idle_in_transaction_session_timeout={5 * 60_000}",
}
"""A frozen or lost machine must not hold its rows for ever: others wait to take its work over."""
_NETWORK_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "fuse.sshfs", "glusterfs"}


class Base(SQLModel, registry=registry()):
    """Root of all tables; its own registry lets a hot reload define them again."""

    model_config = {"defer_build": True}  # a table never validates; commands start sooner
    __tablename__: ClassVar[Any]


def check_sqlite_version(version: tuple[int, ...]) -> None:
    """Refuse a SQLite with the WAL-reset bug (https://sqlite.org/wal.html#walresetbug)."""
    fixed = (
        version >= (3, 51, 3)
        or (3, 50, 7) <= version < (3, 51, 0)
        or (3, 44, 6) <= version < (3, 45, 0)
    )
    if not fixed:
        found = ".".join(map(str, version))
        raise Unavailable(
            f"SQLite {found} can lose committed data (WAL-reset bug). "
            "Install pysqlite3 0.6.1 or newer with `make setup`."
        )


def check_local_filesystem(path: Path, mounts: str | None = None) -> None:
    """Refuse a network file system, on which SQLite's locks do not hold."""
    if mounts is None:
        table = Path("/proc/mounts")
        mounts = table.read_text() if table.exists() else ""
    found = ("", "")
    for line in mounts.splitlines():
        _, mount, kind, *_ = line.split()
        inside = path.is_relative_to(mount.replace("\\040", " "))
        if inside and len(mount) >= len(found[0]):
            found = (mount, kind)
    if found[1] in _NETWORK_FILESYSTEMS:
        raise Unavailable(
            f"The data folder {path} is on a network file system ({found[1]}), where SQLite loses "
            "data. Choose a local folder with PROMPTSTONE_DATA_DIR, or use PostgreSQL."
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(
            f"The data folder {folder} cannot be made ({error.strerror}). Choose another with "
            "--data-dir or PROMPTSTONE_DATA_DIR."
        ) from error


class Database:
    """The engines of one process and the only two ways to a session."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.is_sqlite = settings.url.startswith("sqlite")
        _make_folder(settings.data)
        if self.is_sqlite:
            check_sqlite_version(dbapi2.sqlite_version_info)
            check_local_filesystem(settings.data)
            self._lock: FileLock | None = FileLock(settings.data / "write.lock")
            self.engine = _sqlite_engine(settings.url, writing=True)
            self.reader = _sqlite_engine(settings.url, writing=False)
        else:
            self._lock = None
            self.engine = _engine(
                settings.url,
                pool_size=8,
                max_overflow=24,
                pool_pre_ping=True,
                connect_args=_POSTGRES,
            )
            self.reader = self.engine.execution_options(postgresql_readonly=True)

    @contextmanager
    def session_scope(self, actor: str) -> Iterator[Session]:
        """The unit of work: commits at the end, rolls back on any exception.

        `actor` is who does it, such as `user:admin`; services read it by `core.audit.actor_of`.
        """
        with self._lock or nullcontext(), Session(self.engine, expire_on_commit=False) as session:
            session.info["actor"] = actor
            session.connection()
            with _explained():
                yield session
                session.commit()

    @contextmanager
    def read_scope(self) -> Iterator[Session]:
        """A session that cannot write and waits for no writer."""
        with Session(self.reader, expire_on_commit=False) as session, _explained():
            yield session

    @contextmanager
    def exclusive_connection(self) -> Iterator[Connection]:
        """One writing transaction without the ORM, for migrations and bulk writers."""
        with self._lock or nullcontext(), self.engine.begin() as connection:
            yield connection

    def shred(self) -> None:
        """Leave nothing of deleted rows in SQLite's log, where they would stand until it wraps."""
        if self.is_sqlite:
            with self._lock or nullcontext(), self.engine.connect() as connection:
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close all connections."""
        self.reader.dispose()
        self.engine.dispose()


@contextmanager
def _explained() -> Iterator[None]:
    """What no column can hold and no search can look for is the giver's mistake; a disk is not."""
    try:
        yield
    except (UnicodeEncodeError, TypeError, StatementError) as error:
        origin = getattr(error, "orig", None) or error
        if isinstance(origin, PromptstoneError):
            raise origin from error
        cause = str(origin)
        for sign, sentence in _UNKEEPABLE.items():
            if sign in cause:
                raise Invalid(sentence) from error
        for sign, sentence in _TROUBLE.items():
            if sign in cause:
                raise Unavailable(sentence) from error
        raise


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


def _loads(value: Any) -> Any:
    """SQLite keeps a bare JSON number as a number: its column of JSON is one of numbers first."""
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value


def _engine(url: str, **options: Any) -> Engine:
    # Errors go to logs and into a run's row: they must not carry what was to be stored.
    return create_engine(
        url, json_serializer=_dumps, json_deserializer=_loads, hide_parameters=True, **options
    )


def _sqlite_engine(url: str, *, writing: bool) -> Engine:
    size = 1 if writing else 8
    engine = _engine(url, module=dbapi2, pool_size=size, max_overflow=32)

    def connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute("PRAGMA mmap_size=0")
        cursor.execute("PRAGMA journal_size_limit=67108864")
        cursor.execute(f"PRAGMA query_only={'OFF' if writing else 'ON'}")
        cursor.close()

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)
    return engine
