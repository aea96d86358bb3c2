"""Bring the schema of a database to this code's, at start and under a lock.

Alembic is imported only when there is something to migrate: it costs every command 0.2 s.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from core.database import Database
from core.errors import Unavailable

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK_ID = 7_263_911_402  # any constant: processes that migrate agree on it
_SCRIPTS = Path(__file__).parent / "migrations"


def known_revisions() -> list[str]:
    """Revisions of this code in order; file names begin with them."""
    return sorted(path.name.split("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py"))


def current_revision(database: Database) -> str | None:
    """The revision the database is at; None before the first migration."""
    with database.reader.connect() as connection:
        return _revision(connection)


def migrate(database: Database) -> None:
    """Upgrade in one transaction, so that a killed upgrade leaves the old schema whole."""
    revisions = known_revisions()
    if current_revision(database) == revisions[-1]:
        return
    with database.exclusive_connection() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK_ID})
        revision = _revision(connection)
        if revision is not None and revision not in revisions:
            raise Unavailable(
                f"The database was made by a newer Promptstone (schema {revision}). "
                "Install that version again, or restore a backup made with this one."
            )
        from alembic import command

        command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> "Config":
    """Alembic's configuration over the packaged scripts; no ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
