"""Many rows at once, past the ORM and the compiler: half the CPU of a Core statement.

A run writes four rows for every call, so this is where its CPU goes. The columns' own types still
turn values into what the driver stores.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlmodel import SQLModel

Processor = Callable[[Any], Any] | None


class _Statement:
    """SQL with one placeholder a column, in the order of the rows' fields."""

    def __init__(self, table: type[SQLModel], columns: Sequence[str]) -> None:
        self._table: Any = table.__dict__["__table__"]
        self._columns = columns
        self._prepared: dict[str, tuple[str, list[Processor]]] = {}

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute for every row; nothing for no rows."""
        if not rows:
            return
        known = self._prepared.get(connection.dialect.name)
        if known is None:
            known = self._prepared[connection.dialect.name] = self._prepare(connection.dialect)
        sql, processors = known
        connection.exec_driver_sql(sql, [_stored(row, processors) for row in rows])

    def _prepare(self, dialect: Dialect) -> tuple[str, list[Processor]]:
        mark = "?" if dialect.name == "sqlite" else "%s"
        types = [self._table.c[name].type for name in self._columns]
        return self._sql(mark), [one.dialect_impl(dialect).bind_processor(dialect) for one in types]

    def _sql(self, mark: str) -> str:
        raise NotImplementedError


def _stored(row: Iterable[Any], processors: Iterable[Processor]) -> tuple[Any, ...]:
    pairs = zip(row, processors, strict=True)
    return tuple([value if made is None else made(value) for value, made in pairs])


class Insert(_Statement):
    """New rows."""

    def _sql(self, mark: str) -> str:
        names = ", ".join(self._columns)
        marks = ", ".join([mark] * len(self._columns))
        return f"INSERT INTO {self._table.name} ({names}) VALUES ({marks})"  # noqa: S608


class Update(_Statement):
    """Changed rows; the last `keys` fields say which."""

    def __init__(self, table: type[SQLModel], columns: Sequence[str], *, keys: int) -> None:
        super().__init__(table, columns)
        self._keys = keys

    def _sql(self, mark: str) -> str:
        parts = [f"{name} = {mark}" for name in self._columns]
        values, keys = parts[: -self._keys], parts[-self._keys :]
        return f"UPDATE {self._table.name} SET {', '.join(values)} WHERE {' AND '.join(keys)}"  # noqa: S608


class Delete(_Statement):
    """Rows that go; the fields say which."""

    def _sql(self, mark: str) -> str:
        keys = " AND ".join(f"{name} = {mark}" for name in self._columns)
        return f"DELETE FROM {self._table.name} WHERE {keys}"  # noqa: S608
