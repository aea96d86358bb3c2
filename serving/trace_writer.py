"""A group of calls into the database: whole if it can be, else what can be kept of each."""

import contextlib
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError
from sqlmodel import SQLModel, col

from core.database import Database
from core.errors import Invalid
from serving.models import ApiKey, Trace, TraceContent
from serving.records import CallRecord
from serving.trace_rows import bare, clean, content_row, trace_row

log = logging.getLogger("promptstone.serving")

REFUSALS = (DataError, IntegrityError, Invalid, ValueError, TypeError, OverflowError)
"""Errors of values; a database that is gone, full or locked is none of them."""
_CLEANED_AT_ONCE = 100
_KEY_EVERY = timedelta(minutes=1)


class TraceWriter:
    """Writes groups of records, and notes the use of keys, at most once a minute a key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._used: dict[str, datetime] = {}

    def write(self, group: Sequence[CallRecord]) -> int:
        """Commit a group; how many calls were refused for their values, even when cleaned.

        One transaction, unless something is refused. Raises what a database raises that is gone.
        """
        try:
            self._commit(group)
        except REFUSALS:
            size = _CLEANED_AT_ONCE
            parts = [group[start : start + size] for start in range(0, len(group), size)]
            return sum(self._write_clean([clean(one) for one in part]) for part in parts)
        return 0

    def _write_clean(self, group: Sequence[CallRecord]) -> int:
        try:
            self._commit(group)
        except REFUSALS as error:
            if len(group) > 1:
                half = len(group) // 2
                return self._write_clean(group[:half]) + self._write_clean(group[half:])
            log.warning("a call is not kept whole: %s", type(error).__name__)
            with contextlib.suppress(*REFUSALS):  # refused even so, it must hold up no other
                self._commit([bare(group[0])])
            return 1
        return 0

    def _commit(self, group: Sequence[CallRecord]) -> None:
        used = self._keys_to_touch(group)
        rows = [trace_row(record) for record in group]
        contents = [row for record in group if (row := content_row(record)) is not None]
        with self._database.exclusive_connection() as connection:
            _insert(connection, Trace, rows)
            _insert(connection, TraceContent, contents)
            for key, at in sorted(used.items()):  # in one order: others touch keys, too
                older = or_(col(ApiKey.last_used_at).is_(None), col(ApiKey.last_used_at) < at)
                touch = update(ApiKey).where(col(ApiKey.id) == key, older)
                connection.execute(touch.values(last_used_at=at))
        self._used.update(used)

    def _keys_to_touch(self, group: Iterable[CallRecord]) -> dict[str, datetime]:
        """The newest use of keys that were not noted within the last minute."""
        found: dict[str, datetime] = {}
        for record in group:
            key, at = record.key_id, record.at
            if key is not None:
                known = self._used.get(key)
                if known is None or at - known >= _KEY_EVERY:
                    found[key] = max(at, found.get(key, at))
        return found


def _insert(connection: Connection, table: type[SQLModel], rows: list[dict[str, Any]]) -> None:
    """Insert rows; one that is there already was committed by a try whose answer was lost."""
    if rows:
        made = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
        connection.execute(made.on_conflict_do_nothing(), rows)
