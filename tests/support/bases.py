"""Knowledge bases for tests: made, filled in this process or in one that can be killed, searched.

The processes that read documents and make vectors take a second each to start; what is filled and
searched in this process has one of each, kept from test to test.
"""

import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from core.database import Database
from rag import ingest, ingests, intake, opening, searching, service
from rag.embedders import Embedder, open_embedder, read_embedder
from rag.ingest import Stopped
from rag.ingests import Progress
from rag.owner import own_and_run
from rag.parsing.process import Parser
from rag.service import EmbedderIdentity
from rag.settings import chunk_settings, cleaning_settings
from rag.sources import Source, find_sources, vanished
from rag.staging import document_sources

ACTOR = "user:test"


def make_base(
    db: Database,
    embedder: Embedder,
    name: str = "docs",
    *,
    kind: str = "markdown",
    tokens: int = 64,
) -> None:
    """An empty base with the packaged embedder."""
    identity = EmbedderIdentity({"kind": "minilm"}, embedder.fingerprint)
    with db.session_scope(ACTOR) as session:
        service.create(
            session, name, identity, chunk_settings(kind, tokens, 8), cleaning_settings((), False)
        )


@cache
def packaged() -> Embedder:
    """The packaged embedder; whoever closes it leaves its process to the next."""
    found = open_embedder(read_embedder({"kind": "minilm"}))
    found.close = _stays  # type: ignore[method-assign]
    return found


@cache
def _kept_parser(*, parser: str) -> Parser:
    found = Parser(parser=parser)
    found.close = _stays  # type: ignore[method-assign]
    return found


def _stays() -> None:
    """Close nothing."""


def _open(database: Database, values: Mapping[str, Any]) -> Embedder:
    """As `rag.opening.open_for`."""
    return packaged() if values.get("kind") == "minilm" else opening.open_for(database, values)


intake.Parser = _kept_parser  # type: ignore[assignment,misc]
ingest.open_for = searching.open_for = _open


def queue(db: Database, paths: Sequence[Path], name: str = "docs", **how: Any) -> str:
    """Queue files as `kb add` does; the ingest's id."""
    form = how.pop("form", "auto")
    sources = [Source(p.name, str(p), "") for p in paths] if form == "beir" else find_sources(paths)
    with db.session_scope(ACTOR) as session:
        base = service.get(session, name)
        gone = vanished(document_sources(session, base.id), sources)
        return ingests.start_add(session, name, sources, form=form, gone=gone, **how).id


def work(db: Database, ingest_id: str, embedder: Embedder) -> Progress:
    """Work on an ingest here; what came of it."""
    end = own_and_run(db, ingest_id, threading.Event(), embedder)
    assert isinstance(end, Stopped)
    return outcome(db, ingest_id)


def outcome(db: Database, ingest_id: str) -> Progress:
    """How far an ingest is."""
    with db.read_scope() as session:
        return ingests.progress(session, ingest_id)


def fill(
    db: Database, embedder: Embedder, *paths: Path, name: str = "docs", **how: Any
) -> Progress:
    """Add files and wait."""
    return work(db, queue(db, paths, name, **how), embedder)


def working_child(db: Database, ingest_id: str) -> "subprocess.Popen[bytes]":
    """A process that works on an ingest as the server's does; it may be killed."""
    environment = {
        "PROMPTSTONE_DATA_DIR": str(db.settings.data),
        "PROMPTSTONE_DATABASE_URL": db.settings.database_url or "",
        "PATH": "/usr/bin:/bin",
    }
    if not db.settings.database_url:
        del environment["PROMPTSTONE_DATABASE_URL"]
    return subprocess.Popen(
        [sys.executable, "-m", "app.server.ingesting", ingest_id],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
    )
