"""Tables as JSON lines that either engine writes and reads back exactly.

A line is the list of a row's values. JSON columns travel as the text they are stored as, so that
an SQL NULL, a JSON null and every digit of a number stay what they were.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import IO, Any

from pydantic import BaseModel
from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    Connection,
    LargeBinary,
    Text,
    cast,
    column,
    inspect,
    select,
    table,
    text,
)  # fmt: skip
from sqlalchemy.schema import Column, Table
from sqlalchemy.sql.selectable import TableClause
from sqlalchemy.types import TypeEngine

from core.errors import Invalid
from core.types import ExactText, Moment, Money

_BATCH = 1000
MOST_LINE = 256 << 20
"""Bytes of a row; the widest that is written has an answer of 16 MiB and its request."""
_TYPES: dict[str, type[TypeEngine[Any]]] = {
    "moment": Moment, "money": Money, "bytes": LargeBinary, "bool": Boolean, "exact": ExactText,
}  # fmt: skip
_READERS: dict[str, Callable[[Any], Any]] = {
    "moment": datetime.fromisoformat, "money": Decimal, "bytes": base64.b64decode,
}  # fmt: skip


class ColumnNote(BaseModel):
    """A column and how its values are written; `plain` is what JSON itself has."""

    name: str
    kind: str


class TableNote(BaseModel):
    """A table as it was dumped; `hash` does not depend on the order of its rows."""

    name: str
    columns: list[ColumnNote]
    rows: int = 0
    hash: str = ""


def dump(connection: Connection, found: Table, write: Callable[[bytes], object]) -> TableNote:
    """Hand every row of a table to `write`, a line at a time."""
    columns = [ColumnNote(name=part.name, kind=_kind(part.type)) for part in found.columns]
    note, digest = TableNote(name=found.name, columns=columns), _Digest()
    query = select(*map(_selected, found.columns))
    for row in connection.execution_options(yield_per=_BATCH).execute(query):
        values = [_written(value) for value in row]
        line = json.dumps(values, separators=(",", ":")).encode()
        digest.add(line)
        write(line + b"\n")
    note.rows, note.hash = digest.rows, digest.text()
    return note


def load(connection: Connection, note: TableNote, lines: IO[bytes]) -> None:
    """Insert the lines of a dump; raises Invalid when they are not those of `note`."""
    target, digest, batch = _target(note), _Digest(), []
    while line := lines.readline(MOST_LINE):
        digest.add(line.rstrip(b"\n"))
        batch.append(_row(note, line))
        if len(batch) == _BATCH:
            connection.execute(target.insert(), batch)
            batch = []
    if batch:
        connection.execute(target.insert(), batch)
    if (digest.rows, digest.text()) != (note.rows, note.hash):
        raise Invalid(
            f"The backup's table {note.name} does not match its manifest. Take another backup file."
        )


def advance_sequences(connection: Connection) -> None:
    """PostgreSQL numbers new rows from a sequence that explicit ids do not move."""
    if connection.dialect.name != "postgresql":
        return
    for name in inspect(connection).get_table_names():
        key = inspect(connection).get_pk_constraint(name)["constrained_columns"]
        if len(key) == 1:
            _advance(connection, name, key[0])


def _advance(connection: Connection, name: str, key: str) -> None:
    query = text("SELECT pg_get_serial_sequence(:table, :key)")
    sequence = connection.execute(query, {"table": name, "key": key}).scalar()
    newest = connection.execute(text(f'SELECT max("{key}") FROM "{name}"')).scalar()  # noqa: S608
    if sequence is not None and newest is not None:
        move = text("SELECT setval(CAST(:sequence AS regclass), :newest)")
        connection.execute(move, {"sequence": sequence, "newest": newest})


class _Digest:
    """Sum of the rows' sha256: the same for the same rows in any order."""

    def __init__(self) -> None:
        self.rows = 0
        self._total = 0

    def add(self, line: bytes) -> None:
        self.rows += 1
        self._total += int.from_bytes(hashlib.sha256(line).digest())

    def text(self) -> str:
        return format(self._total % (1 << 256), "064x")


def _kind(of: TypeEngine[Any]) -> str:
    if isinstance(of, JSON):
        return "json"
    return next((kind for kind, found in _TYPES.items() if isinstance(of, found)), "plain")


def _selected(part: Column[Any]) -> ColumnElement[Any]:
    return cast(part, Text) if isinstance(part.type, JSON) else part


def _target(note: TableNote) -> TableClause:
    # Without a type for JSON columns: PostgreSQL then reads the text as what the column is.
    return table(note.name, *(column(part.name, _TYPES.get(part.kind)) for part in note.columns))


def _row(note: TableNote, line: bytes) -> dict[str, Any]:
    try:
        pairs = list(zip(note.columns, json.loads(line), strict=True))
        return {part.name: _read(part.kind, value) for part, value in pairs}
    except (ValueError, TypeError, RecursionError, ArithmeticError) as error:
        raise Invalid(
            f"The backup's table {note.name} holds a line that is no row. Take another backup file."
        ) from error


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, memoryview)):
        return base64.b64encode(value).decode()
    return value


def _read(kind: str, value: Any) -> Any:
    reader = _READERS.get(kind)
    return value if value is None or reader is None else reader(value)
