"""Whether a database was written since one looked last, asked before a look that costs more."""

from sqlalchemy import PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

from core.database import Database


class Changes:
    """One looker's view of a database; not for two threads at once.

    SQLite tells by `PRAGMA data_version` (https://sqlite.org/pragma.html#pragma_data_version), a
    read of shared memory. PostgreSQL has nothing as cheap, so there it is always taken as written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: PoolProxiedConnection | None = None
        self._seen: int | None = None

    def since_last(self) -> bool:
        """Whether anyone has committed since the last call; True the first time."""
        if not self._database.is_sqlite:
            return True
        broken = self._database.reader.dialect.loaded_dbapi.Error
        try:
            number = self._number()
        except (broken, SQLAlchemyError):
            self.close()
            return True
        changed = number != self._seen
        self._seen = number
        return changed

    def _number(self) -> int:
        # Each connection counts for itself: it has to be the same one every time.
        if self._connection is None:
            self._connection = self._database.reader.raw_connection()
        cursor = self._connection.cursor()
        try:
            cursor.execute("PRAGMA data_version")
            return cursor.fetchone()[0]  # type: ignore[index]
        finally:
            cursor.close()

    def close(self) -> None:
        """Give the connection back; the next call begins anew."""
        connection, self._connection, self._seen = self._connection, None, None
        if connection is not None:
            connection.close()
