"""One portable file of all tables, from either engine into either engine.

A zip: `manifest.json` names schema, tables, columns, row counts and content hashes; `NAME.jsonl`
holds a table. The key that seals provider keys stays out unless asked for: whoever finds a backup
must not find the keys with it.
"""

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, delete, inspect
from sqlalchemy.schema import Table
from sqlmodel import col

from core.clock import utcnow
from core.database import Base, Database
from core.errors import Conflict, Invalid
from core.migrate import alembic_config, current_revision, known_revisions, migrate
from core.models import Setting
from core.portable import TableNote, advance_sequences, dump, load
from core.workspace_settings import INSTALLATION

FORMAT = 1
_KEY = "secret.key"
_MOST_MANIFEST = 1 << 20
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What the standard library raises for a zip with changed bytes."""


class BackupNote(BaseModel):
    """What a backup holds; tables stand before those that refer to them."""

    format: int = FORMAT
    promptstone: str
    revision: str
    created_at: datetime
    tables: list[TableNote] = []
    key: bool = False

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(note.rows for note in self.tables)


def backup(database: Database, file: Path, *, version: str, with_key: bool = False) -> BackupNote:
    """Write one consistent state of all tables, while others go on writing.

    The file appears whole or not at all. All modules with tables must have been imported.
    """
    revision = current_revision(database) or ""
    note = BackupNote(promptstone=version, revision=revision, created_at=utcnow())
    with _replacing(file) as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as archive:
        with _snapshot(database) as connection:
            for found in _tables(connection):
                with archive.open(f"{found.name}.jsonl", "w", force_zip64=True) as out:
                    note.tables.append(dump(connection, found, out.write))
        key = database.settings.key_path
        if with_key and key.exists():
            archive.write(key, _KEY)
            note.key = True
        archive.writestr("manifest.json", note.model_dump_json(indent=1))
    return note


def contents(database: Database) -> list[TableNote]:
    """Row counts and content hashes of all tables as they are now."""
    with _snapshot(database) as connection:
        return [dump(connection, found, lambda _line: None) for found in _tables(connection)]


def restore(database: Database, file: Path) -> BackupNote:
    """Fill an empty database in one transaction; raises Conflict for one that is not empty.

    An older backup is restored into its own schema and then upgraded.
    """
    from alembic import command

    with _opened(file) as archive:
        note = _read_note(archive, file)
        if note.key and database.settings.key_path.exists():
            raise Conflict(
                f"The backup brings a key, but {database.settings.key_path} exists. "
                "Move that file away first."
            )
        with database.exclusive_connection() as connection:
            if inspect(connection).get_table_names():
                raise Conflict(
                    "This data folder already has a database. Choose an empty folder with "
                    "--data-dir, or an empty PostgreSQL database."
                )
            command.upgrade(alembic_config(connection), note.revision)
            for found in note.tables:
                with archive.open(f"{found.name}.jsonl") as lines:
                    load(connection, found, lines)
            connection.execute(delete(Setting).where(col(Setting.key) == INSTALLATION))
            advance_sequences(connection)
            if note.key:
                _write_key(database.settings.key_path, _key_of(archive))
    migrate(database)
    return note


@contextmanager
def _snapshot(database: Database) -> Iterator[Connection]:
    if database.is_sqlite:
        with database.reader.connect() as connection:
            yield connection
        return
    with database.engine.connect() as connection:
        yield connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )


def _tables(connection: Connection) -> list[Table]:
    known = Base.metadata.sorted_tables
    stored = set(inspect(connection).get_table_names()) - {"alembic_version"}
    unknown = stored - {found.name for found in known}
    if unknown:
        raise Invalid(
            f"The database holds tables that this version does not know: {', '.join(unknown)}. "
            "Use the version that made them."
        )
    return [found for found in known if found.name in stored]


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except OSError as error:
        raise Invalid(
            f"{file} cannot be read: {error.strerror}. Name a file that `backup` wrote."
        ) from error
    except _BROKEN as error:
        raise Invalid(f"{file.name} is no whole backup ({error}). Take another file.") from error


def _read_note(archive: zipfile.ZipFile, file: Path) -> BackupNote:
    try:
        with archive.open("manifest.json") as manifest:
            note = BackupNote.model_validate_json(manifest.read(_MOST_MANIFEST))
    except (KeyError, ValidationError) as error:
        raise Invalid(f"{file.name} is no backup of Promptstone. Take another file.") from error
    if note.format != FORMAT or note.revision not in known_revisions():
        raise Invalid(
            f"{file.name} was made by Promptstone {note.promptstone}, which is newer. "
            "Restore it with that version."
        )
    return note


@contextmanager
def _replacing(file: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is whole and on the disk."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise Invalid(f"{file} cannot be written: {error.strerror}. Choose another.") from error
    try:
        with os.fdopen(descriptor, "w+b") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(file)
        folder = os.open(file.absolute().parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


def _key_of(archive: zipfile.ZipFile) -> bytes:
    with archive.open(_KEY) as key:
        return key.read(32)


def _write_key(path: Path, key: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
