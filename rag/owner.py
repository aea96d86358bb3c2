"""Who works on an ingest: one process at a time, told from the dead by a lock of the kernel."""

import os
import threading
from pathlib import Path

from sqlmodel import select

from core.database import Database
from core.jobs import Claim, place
from core.locks import FileLock, holder_note
from core.models import Job
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
        known = set(ingests.waiting(session))
        query = select(Job).where(Job.kind == ingests.KIND, Job.state != "ended")
        jobs = sorted(session.exec(query), key=lambda job: job.id)
    for job in jobs:
        here = (job.owner or "").startswith(place(data))
        if job.ref in known or (here and not has_owner(data, job.ref)):
            return job.ref
    return None


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
    here = place(database.settings.data)
    with database.session_scope(ACTOR) as session:
        job = session.exec(
            select(Job).where(Job.kind == ingests.KIND, Job.ref == ingest_id, Job.state != "ended")
        ).first()
        dead = job is not None and (job.owner or "").startswith(here)
        return ingests.take(session, f"{here}:{os.getpid()}", ingest_id, dead=dead)
