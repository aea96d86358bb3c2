"""Who works on an ingest: one process at a time, told from the dead by a lock of the kernel."""

import os
import threading
from pathlib import Path

from core.database import Database
from core.jobs import Claim, open_jobs, place
from core.locks import FileLock, holder_note
from rag import ingests
from rag.embedders import Embedder
from rag.ingest import ACTOR, Stopped, run_ingest


def _path(data: Path, ingest_id: str) -> Path:
    return data / "locks" / f"ingest-{ingest_id}.lock"


def has_owner(data: Path, ingest_id: str) -> bool:
    """Whether a live process of this data folder works on the ingest."""
    return holder_note(_path(data, ingest_id)) is not None


def next_ingest(database: Database) -> str | None:
    """The oldest ingest that nobody works on, by id."""
    data = database.settings.data
    with database.read_scope() as session:
        jobs = open_jobs(session, ingests.KIND, data)
    free = (job.ref for job in jobs if job.expired or (job.here and not has_owner(data, job.ref)))
    return next(free, None)


def own_and_run(
    database: Database, ingest_id: str, stop: threading.Event, embedder: Embedder | None = None
) -> Stopped | None:
    """Take the ingest and work on it to its end; None when somebody else has it."""
    data = database.settings.data
    lock = FileLock(_path(data, ingest_id))
    if not lock.try_acquire(str(os.getpid())):
        return None
    try:
        held = _claim(database, ingest_id)
        return None if held is None else run_ingest(database, held, stop, embedder)
    finally:
        lock.release()


def _claim(database: Database, ingest_id: str) -> Claim | None:
    data = database.settings.data
    with database.session_scope(ACTOR) as session:
        dead = any(job.here for job in open_jobs(session, ingests.KIND, data, ingest_id))
        return ingests.take(session, f"{place(data)}:{os.getpid()}", ingest_id, dead=dead)
