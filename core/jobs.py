"""Long work as rows: leases, heartbeats, and a fencing token that every commit checks.

The lease covers owners on other machines and stopped processes; on one machine the owner also
holds a `flock` (`core.locks`), which the kernel frees at its death.
"""

import hashlib
import socket
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import bindparam, update
from sqlmodel import Session, col, select

from core.audit import actor_of
from core.clock import utcnow
from core.errors import LostLease
from core.models import Job

LEASE_SECONDS = 15


class Claim(NamedTuple):
    """The right to work on a job until the lease ends or somebody else claims it."""

    job_id: str
    ref: str
    fence: int


@cache
def place(data: Path) -> str:
    """This machine and data folder: only here does a free `flock` prove an owner dead."""
    folder = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
    return f"{socket.gethostname()}:{folder}"


def enqueue(session: Session, kind: str, ref: str) -> Job:
    """Queue work on `ref`; a job that is already queued or running is returned instead."""
    alive = select(Job).where(Job.kind == kind, Job.ref == ref, Job.state != "ended")
    job = session.exec(alive).first()
    if job is None:
        job = Job(kind=kind, ref=ref, actor=actor_of(session))
        session.add(job)
        session.flush()
    return job


# Workers ask this several times a second: built once, and rows instead of objects.
_OPEN = (
    select(Job.ref, Job.owner, Job.state, Job.lease_until)
    .where(Job.kind == bindparam("kind"), Job.state != "ended")
    .order_by(col(Job.id))
)


class OpenJob(NamedTuple):
    """A job that has not ended; `here` says that its owner was of this machine and data folder."""

    ref: str
    here: bool
    expired: bool


def open_jobs(session: Session, kind: str, data: Path, ref: str | None = None) -> list[OpenJob]:
    """Jobs of a kind, oldest first: `expired` ones are queued or their owner's lease ran out."""
    found = session.connection().execute(_OPEN, {"kind": kind})
    now, here = utcnow(), place(data)
    return [
        OpenJob(
            job.ref,
            (job.owner or "").startswith(here),
            job.state == "queued" or job.lease_until is None or job.lease_until < now,
        )
        for job in found
        if ref is None or job.ref == ref
    ]


def claim(
    session: Session, kind: str, owner: str, *, ref: str | None = None, dead: bool = False
) -> Claim | None:
    """Take the oldest job that is queued or whose lease ran out; None when there is none.

    `dead` says that the caller holds the owner's `flock`, so that a running job's owner is gone
    whatever its lease says.
    """
    now = utcnow()
    query = select(Job).where(Job.kind == kind, Job.state != "ended").order_by(col(Job.id))
    if ref is not None:
        query = query.where(Job.ref == ref)
    for job in session.exec(query.with_for_update(skip_locked=True)):
        expired = job.lease_until is None or job.lease_until < now
        if job.state == "queued" or dead or expired:
            return _take(session, job, owner)
    return None


def _take(session: Session, job: Job, owner: str) -> Claim:
    job.state, job.owner = "running", owner
    job.attempt += 1
    job.fence += 1
    job.lease_until = utcnow() + timedelta(seconds=LEASE_SECONDS)
    session.add(job)
    session.flush()
    return Claim(job.id, job.ref, job.fence)


def renew(session: Session, held: Claim) -> None:
    """Heartbeat: move the lease on; raises LostLease when another owner has the job."""
    _change(session, held, lease_until=utcnow() + timedelta(seconds=LEASE_SECONDS))


def check_fence(session: Session, held: Claim) -> None:
    """Raise LostLease unless `held` is still the newest claim; locks the row until the commit."""
    query = select(Job.fence).where(Job.id == held.job_id, Job.state == "running")
    if session.exec(query.with_for_update()).first() != held.fence:
        raise LostLease("Another worker has taken this job over. Nothing needs to be done.")


def finish(session: Session, held: Claim) -> None:
    """End the job."""
    _change(session, held, state="ended", lease_until=None, owner=None)


def release(session: Session, held: Claim) -> None:
    """Give the job back, so that it is queued again."""
    _change(session, held, state="queued", lease_until=None, owner=None)


def _change(session: Session, held: Claim, **values: object) -> None:
    statement = update(Job).where(
        col(Job.id) == held.job_id, col(Job.fence) == held.fence, col(Job.state) == "running"
    )
    if session.connection().execute(statement.values(**values)).rowcount != 1:
        raise LostLease("Another worker has taken this job over. Nothing needs to be done.")
