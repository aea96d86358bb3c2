"""Tuning jobs as rows: list, show, ask to stop, resume; what their owner writes of them."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from connectors.models import Model
from core import drafts
from core.audit import actor_of, record
from core.clock import utcnow
from core.errors import Conflict, NotFound
from core.jobs import Claim, check_fence, claim, enqueue, finish, open_jobs, release
from core.locks import FileLock, holder_note
from core.names import check_name
from tuning.manifest import LIVE, RESUMABLE, Manifest, Status
from tuning.models import TuningJob, TuningPoint

KIND = "tuning"
ACTOR = "worker"


class JobPublic(NamedTuple):
    """A job as pages and commands show it; `place` counts from 1 while it is queued."""

    id: str
    name: str
    status: Status
    reason: str | None
    manifest: Manifest
    step: int
    steps: int
    eval_loss: float | None
    tokens_per_second: float | None
    peak_memory_gb: float | None
    checkpoint: str | None
    seconds: float
    result: dict[str, Any] | None
    parity: dict[str, Any] | None
    proof_run: str | None
    serving: dict[str, Any] | None
    model: str | None
    backend: str | None
    published_at: datetime | None
    author: str
    created_at: datetime
    ended_at: datetime | None
    place: int | None


class Point(NamedTuple):
    """A figure (`value`) or a sample (`text`) at a step."""

    step: int
    value: float | None
    text: str | None


def create(session: Session, job_id: str, name: str, manifest: Manifest) -> TuningJob:
    """Queue a training; raises Conflict when the name is taken."""
    name = check_name(name, "tuning job")
    if session.exec(select(TuningJob).where(TuningJob.name == name)).first() is not None:
        raise Conflict(f"There is a tuning job {name} already. Choose another name.", param="name")
    job = TuningJob(
        id=job_id, name=name, manifest=manifest.model_dump(mode="json"), actor=actor_of(session)
    )
    session.add(job)
    session.flush()
    return job


def queue(session: Session, job: TuningJob) -> None:
    """Hand a job whose files are written to the workers."""
    enqueue(session, KIND, job.id)
    drafts.touch(session, "tuning", job.name, job.name)
    record(session, "tuning.start", job.name, {"id": job.id})


def row(session: Session, name: str) -> TuningJob:
    """A job by name or id; raises NotFound."""
    query = select(TuningJob).where((TuningJob.name == name) | (TuningJob.id == name))
    found = session.exec(query).first()
    if found is None:
        raise NotFound(f"There is no tuning job {name}. See `promptstone tune list`.")
    return found


def get(session: Session, data: Path, name: str) -> JobPublic:
    """One job; raises NotFound."""
    return _public(session, data, row(session, name))


def list_jobs(session: Session, data: Path, limit: int = 500) -> list[JobPublic]:
    """The newest first."""
    query = select(TuningJob).order_by(col(TuningJob.id).desc()).limit(limit)
    return [_public(session, data, one) for one in session.exec(query)]


def points(session: Session, job_id: str, kind: str, after: int = -1) -> list[Point]:
    """Figures or samples of a kind beyond a step, in order."""
    query = (
        select(TuningPoint)
        .where(TuningPoint.job_id == job_id, TuningPoint.kind == kind)
        .where(col(TuningPoint.step) > after)
        .order_by(col(TuningPoint.number))
    )
    return [Point(one.step, one.value, one.text) for one in session.exec(query)]


def _public(session: Session, data: Path, job: TuningJob) -> JobPublic:
    status, reason, place = job.status, job.reason, None
    if status == "queued":
        waiting = select(TuningJob.id).where(col(TuningJob.status).in_(LIVE))
        place = sum(1 for one in session.exec(waiting) if one < job.id) + 1
    elif status == "running" and not _is_owned(session, data, job.id):
        status, reason = "interrupted", "Its worker is gone. The next worker goes on with it."
    model = job.model if job.model and session.get(Model, job.model) else None
    return JobPublic(
        job.id, job.name, status, reason, Manifest.model_validate(job.manifest),  # pyright: ignore[reportArgumentType]
        job.step, job.steps, job.eval_loss, job.tokens_per_second, job.peak_memory_gb,
        job.checkpoint, job.seconds, job.result, job.parity, job.proof_run, job.serving,
        model, job.backend, job.published_at, job.actor, job.created_at, job.ended_at, place,
    )  # fmt: skip


def _is_owned(session: Session, data: Path, job_id: str) -> bool:
    """Here a lock of the kernel tells at once; elsewhere the lease does."""
    found = next(iter(open_jobs(session, KIND, data, job_id)), None)
    if found is None or found.expired:
        return False
    return not found.here or holder_note(_lock_path(data, job_id)) is not None


# -- asks ----------------------------------------------------------------------------------


def ask(session: Session, name: str, wanted: str) -> Status:
    """Ask for `stop` (a checkpoint is kept) or `cancel`; raises NotFound, Conflict."""
    job = row(session, name)
    if job.status not in LIVE:
        raise Conflict(f"The tuning job {job.name} is {job.status}. There is nothing to end.")
    if job.status == "queued":
        _end_queued(session, job, wanted)
    else:
        job.wanted = wanted
    session.add(job)
    record(session, f"tuning.{wanted}", job.name, {"id": job.id})
    return job.status  # pyright: ignore[reportReturnType]


def _end_queued(session: Session, job: TuningJob, wanted: str) -> None:
    job.status = "cancelled" if wanted == "cancel" else "stopped"
    job.ended_at = utcnow()
    held = claim(session, KIND, ACTOR, ref=job.id, dead=True)
    if held is not None:
        finish(session, held)


def resume(session: Session, name: str) -> TuningJob:
    """Queue a job that was stopped, interrupted or failed; raises NotFound, Conflict."""
    job = row(session, name)
    if job.status not in RESUMABLE:
        raise Conflict(f"The tuning job {job.name} is {job.status}, so it cannot be resumed.")
    job.status, job.reason, job.wanted, job.ended_at = "queued", None, None, None
    session.add(job)
    enqueue(session, KIND, job.id)
    record(session, "tuning.resume", job.name, {"id": job.id})
    return job


# -- the owner -----------------------------------------------------------------------------


class Owned(NamedTuple):
    """A job in our hands; `ended` says that its trainer had finished before."""

    claim: Claim
    job_id: str
    name: str
    manifest: Manifest
    events: int
    numbers: int
    ended: bool


def _lock_path(data: Path, job_id: str) -> Path:
    return data / "locks" / f"tuning-{job_id}.lock"


def job_lock(data: Path, job_id: str) -> FileLock:
    """Held by the owner of a job while it lives."""
    return FileLock(_lock_path(data, job_id))


def waiting(session: Session, data: Path) -> Sequence[str]:
    """Ids of the jobs that nobody works on, oldest first."""
    found = open_jobs(session, KIND, data)
    return [
        one.ref
        for one in found
        if one.expired or (one.here and holder_note(_lock_path(data, one.ref)) is None)
    ]


def waits(session: Session, job_id: str, why: str) -> None:
    """Say why a queued job is not begun yet."""
    job = row(session, job_id)
    if job.status == "queued" and job.reason != why:
        job.reason = why
        session.add(job)


def take(session: Session, owner: str, job_id: str, *, dead: bool) -> Owned | None:
    """Claim a job; None when somebody else has it."""
    held = claim(session, KIND, owner, ref=job_id, dead=dead)
    if held is None:
        return None
    job = row(session, job_id)
    job.status, job.reason, job.ended_at = "running", None, None
    job.started_at = job.started_at or utcnow()
    session.add(job)
    last = select(TuningPoint.number).where(TuningPoint.job_id == job_id)
    newest = session.exec(last.order_by(col(TuningPoint.number).desc()).limit(1)).first()
    manifest = Manifest.model_validate(job.manifest)
    number = 0 if newest is None else newest + 1
    ended = job.result is not None
    return Owned(held, job.id, job.name, manifest, job.events, number, ended)


def leave(
    session: Session, held: Claim, status: Status, reason: str | None, *, again: bool = False
) -> None:
    """End our work on a job; `again` queues it for the next worker. Raises LostLease."""
    check_fence(session, held)
    job = row(session, held.ref)
    job.status = "queued" if again else status
    job.reason, job.wanted = reason, None
    job.ended_at = None if again else utcnow()
    session.add(job)
    if again:
        release(session, held)
    else:
        finish(session, held)
