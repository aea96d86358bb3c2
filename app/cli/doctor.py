"""`promptstone doctor`: what works here, what is missing, how to fix it."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import typer

from app.cli import state
from app.cli.group import new_group
from app.cli.show import Json, print_json, print_table
from core.errors import PromptstoneError

if TYPE_CHECKING:
    from core.settings import Settings

commands = new_group()
_LITTLE_SPACE = 1 << 30
_MOUNTED = "/run/secrets"
"""Where a container gets files whose rights are not ours; nobody else lives in a container."""


class Finding(NamedTuple):
    """One thing looked at; `message` tells the remedy where something is wrong."""

    what: str
    state: Literal["ok", "note", "wrong"]
    message: str


@commands.command()
def doctor(json: Json = False) -> None:
    """Tell what works here, what is missing, how to fix it; 1 when something is wrong."""
    found = list(_findings())
    wrong = any(one.state == "wrong" for one in found)
    if json:
        print_json({"ok": not wrong, "findings": [one._asdict() for one in found]})
    else:
        print_table(("", "what", "finding"), ((one.state, one.what, one.message) for one in found))
    raise typer.Exit(1 if wrong else 0)


def _findings() -> Iterator[Finding]:
    from importlib.metadata import version

    settings = state.settings()
    yield Finding("version", "ok", f"Promptstone {version('promptstone')}, Python "
                  f"{sys.version.split()[0]}")  # fmt: skip
    yield _looked("data folder", lambda: _data_folder(settings))
    exists = (settings.data / "promptstone.db").exists() or not _is_sqlite(settings)
    if exists or (settings.data / "database.marker").exists():
        database = _looked("database", _database)
        yield database
        if database.state == "ok":
            yield _looked("keys", lambda: _keys(settings))
            yield from _models()
    else:
        yield Finding("database", "note", "none yet; the first start makes it")
    yield _server(settings)
    yield _looked("demo model", _demo)
    yield _vllm(settings)
    if settings.chroma_url is not None:
        yield _looked("Chroma server", lambda: _chroma(str(settings.chroma_url)))


def _looked(what: str, look: Callable[[], str]) -> Finding:
    """`look` tells what is fine, or raises what is wrong."""
    try:
        return Finding(what, "ok", look())
    except PromptstoneError as error:
        return Finding(what, "wrong", error.message)


def _is_sqlite(settings: "Settings") -> bool:
    return settings.url.startswith("sqlite")


def _data_folder(settings: "Settings") -> str:
    from core.database import check_local_filesystem
    from core.errors import Unavailable

    if _is_sqlite(settings):
        check_local_filesystem(settings.data)
    near = next(folder for folder in (settings.data, *settings.data.parents) if folder.exists())
    if not os.access(near, os.W_OK | os.X_OK):
        raise Unavailable(f"{near} cannot be written. Choose a folder with --data-dir.")
    free = shutil.disk_usage(near).free
    if free < _LITTLE_SPACE:
        raise Unavailable(f"{near} has {free >> 20} MB left. Make space, or choose another folder.")
    return f"{settings.data}, {free >> 30} GB free"


def _database() -> str:
    from app.opening import check_integrity
    from core.migrate import current_revision

    database = state.database()
    check_integrity(database)
    kind = database.engine.dialect.name
    if database.is_sqlite:
        with database.reader.connect() as connection:
            version = connection.exec_driver_sql("SELECT sqlite_version()").scalar()
        kind = f"SQLite {version}, every page checked"
    return f"{kind}; schema {current_revision(database)}"


def _keys(settings: "Settings") -> str:
    from core.errors import Unavailable
    from core.secrets import check_key

    with state.reading() as session:
        check_key(session, settings.key_path)
    if not settings.key_path.exists():
        return "no provider key is stored"
    if not settings.key_path.is_relative_to(_MOUNTED) and settings.key_path.stat().st_mode & 0o077:
        raise Unavailable(
            f"{settings.key_path} can be read by others. Run: chmod 600 {settings.key_path}"
        )
    return f"sealed with {settings.key_path}, which opens them"


def _models() -> Iterator[Finding]:
    from connectors.service import list_models

    with state.reading() as session:
        found = list_models(session)
    for model in found:
        variable = model.settings.api_key_env
        if variable and not os.environ.get(variable):
            yield Finding(
                f"model {model.name}", "note",
                f"{variable} is not set in this process. Set it where Promptstone is started.",
            )  # fmt: skip
        elif model.last_test is not None and not model.last_test.ok:
            yield Finding(f"model {model.name}", "note", model.last_test.message)
    yield Finding("models", "ok", ", ".join(model.name for model in found))


def _server(settings: "Settings") -> Finding:
    from core.locks import holder_note
    from evalsets.runs.worker_note import live_worker

    url = holder_note(settings.data / "server.lock")
    if url is None:
        return Finding(
            "server", "note", "none runs on this data folder; `promptstone up` starts it"
        )
    there = live_worker(settings.data) is not None
    worker = "its worker takes runs" if there else "its worker is not there"
    return Finding("server", "ok", f"{url}, {worker}")


def _demo() -> str:
    from connectors.demo import model_file

    return str(model_file())


def _vllm(settings: "Settings") -> Finding:
    """Nobody has to have it; a broken one is wrong."""
    from connectors.backends import environment

    found = _looked("vLLM", lambda: environment.doctor(settings.data))
    missing = found.state == "wrong" and "is not installed" in found.message
    return found._replace(state="note") if missing else found


def _chroma(url: str) -> str:
    from rag.chroma_shared import check

    check(url)
    return f"{url} answers"
