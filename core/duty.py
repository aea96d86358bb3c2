"""A duty that one process of all on a database does at a time; its death frees it for another."""

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from core.database import Database
from core.locks import FileLock

_TAKE = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 7263911405))")
_FREE = text("SELECT pg_advisory_unlock(hashtextextended(:name, 7263911405))")


class Duty:
    """Whether the duty `name` is this process's; ask before each round, not at once in two threads.

    On SQLite a file lock in the data folder holds it; on PostgreSQL a connection of its own, so
    that processes on other machines see it too.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._file = FileLock(database.settings.data / f"{name}.lock")
        self._connection: Connection | None = None
        self._held = False

    def is_mine(self) -> bool:
        """Take the duty if nobody has it; False while another process does. Raises what the
        database raises."""
        if self._database.is_sqlite:
            self._held = self._held or self._file.try_acquire()
            return self._held
        if self._connection is None or not self._alive(self._connection):
            self._connection = self._taken()
        return self._connection is not None

    def _taken(self) -> Connection | None:
        connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.execute(_TAKE, {"name": self._name}).scalar_one():
            return connection
        connection.close()
        return None

    @staticmethod
    def _alive(connection: Connection) -> bool:
        """The lock falls with the connection."""
        try:
            connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            connection.invalidate()
            connection.close()
            return False
        return True

    def leave(self) -> None:
        """Free the duty; harmless when it is another's."""
        if self._held:
            self._file.release()
            self._held = False
        if self._connection is not None:
            try:
                self._connection.execute(_FREE, {"name": self._name})
            except SQLAlchemyError:
                # Closing alone would give it back to the pool, where its lock would live on.
                self._connection.invalidate()
            self._connection.close()
            self._connection = None
