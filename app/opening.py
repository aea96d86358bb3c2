"""Open the database of a data folder, never taking a lost or damaged one for a new one."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from core.database import Database
from core.errors import Unavailable
from core.migrate import migrate
from core.settings import Settings
from evalsets.evaluators.own_files import use_folder

_MAGIC = b"SQLite format 3\x00"
_RESTORE = (
    "Restore your newest backup into an empty folder with "
    "`promptstone --data-dir NEWFOLDER restore FILE`"
)


def open_database(settings: Settings) -> Database:
    """The migrated database; raises Unavailable when its file vanished or is not a database."""
    sqlite = settings.url.startswith("sqlite")
    if sqlite:
        _check_file(settings.data / "promptstone.db", _marker(settings))
    database = Database(settings)
    try:
        migrate(database)
        _first_rows(database)
    except DatabaseError as error:
        database.close()
        why = str(error.orig).splitlines()[0]
        if sqlite and not isinstance(error, OperationalError):
            raise damaged(settings.data / "promptstone.db", why) from error
        remedy = "rights and free space" if sqlite else "PROMPTSTONE_DATABASE_URL and the server"
        raise Unavailable(f"The database cannot be opened: {why}. Check {remedy}.") from error
    mark(settings)
    use_folder(settings.evaluators)
    return database


def mark(settings: Settings) -> None:
    """Leave a note that this data folder has a SQLite database."""
    path = _marker(settings)
    if settings.url.startswith("sqlite") and not path.exists():
        path.write_text("promptstone.db was made here; a start without it is refused.\n")


def _marker(settings: Settings) -> Path:
    return settings.data / "database.marker"


_COMPLETE = text(
    "SELECT EXISTS (SELECT 1 FROM users WHERE name = 'admin')"
    " AND EXISTS (SELECT 1 FROM models WHERE name = 'demo')"
)


def _first_rows(database: Database) -> None:
    """The administrator, without a password, and the models that need no key."""
    with database.reader.connect() as connection:
        if connection.execute(_COMPLETE).scalar():
            return
    # Every command passes here: what is needed once is not imported by all.
    from connectors.service import ensure_builtin
    from core.users import ensure_admin

    try:
        with database.session_scope("system") as session:
            ensure_admin(session)
            ensure_builtin(session)
    except IntegrityError:
        # Several processes may start on an empty database at once: the first one made them.
        with database.reader.connect() as connection:
            if not connection.execute(_COMPLETE).scalar():
                raise


def check_integrity(database: Database) -> None:
    """Walk every page of a SQLite file; raises Unavailable with the way to a backup."""
    if not database.is_sqlite:
        return
    path = database.settings.data / "promptstone.db"
    try:
        with database.reader.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    except DatabaseError as error:
        raise damaged(path, str(error.orig)) from error
    if found != "ok":
        raise damaged(path, str(found).splitlines()[-1])


def damaged(path: Path, why: str) -> Unavailable:
    """The error of a database file that cannot be trusted."""
    return Unavailable(f"The database {path} is damaged ({why}). Nothing was changed. {_RESTORE}.")


def _check_file(path: Path, marker: Path) -> None:
    size = path.stat().st_size if path.exists() else 0
    if size == 0 and marker.exists():
        raise Unavailable(
            f"This data folder had a database, but {path} is missing or empty. {_RESTORE}, or "
            f"remove {marker} to begin with an empty one."
        )
    if size:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise damaged(path, "it does not begin like a SQLite database")
