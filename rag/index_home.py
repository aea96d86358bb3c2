"""Where Chroma keeps what it derives of a large base: a folder of this process, or a server."""

import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from core.clock import new_id
from core.database import Database
from core.errors import Unavailable
from core.locks import FileLock
from core.models import Setting
from core.workspace_settings import INSTALLATION, get_setting
from rag.chroma_shared import Place, check, drop_base
from rag.models import KnowledgeBase, Snapshot


def index_home(database: Database, base: KnowledgeBase, snapshot: Snapshot) -> Path | Place | None:
    """Where the newest snapshot's index lies; None for an older or a small one, which is scanned.

    Raises Unavailable when the server that the settings name does not answer.
    """
    settings = database.settings
    if snapshot.number != base.snapshot or snapshot.chunks < settings.chroma_from:
        return None
    if settings.chroma_url is None:
        return _folder(settings.data, base.id)
    check(settings.chroma_url)
    return Place(
        settings.chroma_url,
        _installation(database),
        base.id,
        base.epoch,
        snapshot.number,
        _epochs(database),
    )


def drop_index(database: Database, base_id: str) -> None:
    """Leave no vector of what was removed with Chroma; raises Unavailable for a silent server.

    A process that owns a folder looks after it itself when it searches next.
    """
    folder = _folder(database.settings.data, base_id)
    lock = FileLock(folder / "owner.lock")
    if folder.exists() and lock.try_acquire():
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            lock.release()
    url = database.settings.chroma_url
    if url is None or (installation := _known_installation(database)) is None:
        return
    try:
        drop_base(url, installation, base_id)
    except Unavailable as error:
        raise Unavailable(
            "It is removed and no longer found, but its vectors stay on the Chroma server until a "
            f"large base is searched there. {error.message}"
        ) from error


def _folder(data: Path, base_id: str) -> Path:
    return data / "index" / base_id


def _installation(database: Database) -> str:
    """A random name of this workspace, so that several can share a server."""
    known = _known_installation(database)
    if known is None:
        # Where two processes make it at once, the first one's is kept.
        with contextlib.suppress(IntegrityError), database.session_scope("system") as session:
            if get_setting(session, INSTALLATION) is None:
                session.add(Setting(key=INSTALLATION, value=new_id()))
        known = _known_installation(database)
    return str(known)


def _known_installation(database: Database) -> str | None:
    with database.read_scope() as session:
        return get_setting(session, INSTALLATION)


def _epochs(database: Database) -> Callable[[], Mapping[str, int]]:
    def read() -> Mapping[str, int]:
        with database.read_scope() as session:
            return {base.id: base.epoch for base in session.exec(select(KnowledgeBase))}

    return read
