"""What all commands of one call share: the data folder, the actor, the open database."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sqlmodel import Session

    from core.database import Database
    from core.settings import Settings


_MAX_ACTOR = 128


class _Chosen:
    """Options that stand before the command."""

    data_dir: Path | None = None
    actor: str | None = None
    database: "Database | None" = None


_chosen = _Chosen()


def choose(data_dir: Path | None, actor: str | None) -> None:
    """Keep the options that stand before the command; a usage error for an actor of many lines."""
    if actor is not None and not (actor.isprintable() and 0 < len(actor.strip()) <= _MAX_ACTOR):
        raise typer.BadParameter(
            f"give one line of 1 to {_MAX_ACTOR} characters.", param_hint="--as"
        )
    _chosen.data_dir, _chosen.actor = data_dir, actor


def settings(**flags: object) -> "Settings":
    """Settings of this call: flags, then environment, then `.env`."""
    from pydantic import ValidationError

    from core.errors import Invalid
    from core.settings import load_settings

    try:
        return load_settings(_chosen.data_dir, **flags)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"PROMPTSTONE_{str(first['loc'][0]).upper()}"
        raise Invalid(f"{name} is wrong: {first['msg']}. Correct it.") from error


def actor() -> str:
    """`--as NAME`, else `cli:` and the name of the system's user."""
    return _chosen.actor or f"cli:{_system_user()}"


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def database() -> "Database":
    """The migrated database of this call."""
    if _chosen.database is None:
        from app.opening import open_database

        _chosen.database = open_database(settings())
    return _chosen.database


@contextmanager
def reading() -> "Iterator[Session]":
    """A session that only reads."""
    with database().read_scope() as session:
        yield session


@contextmanager
def writing() -> "Iterator[Session]":
    """A session that commits at its end, in the actor's name."""
    with database().session_scope(actor()) as session:
        yield session


def close() -> None:
    """Close what this call opened."""
    if _chosen.database is not None:
        _chosen.database.close()
        _chosen.database = None
