"""Who owns a run: taking it, taking it over from the dead, and giving it back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from core.clock import utcnow
from core.database import Database
from core.jobs import LEASE_SECONDS, Claim, check_fence, claim, finish, open_jobs, place, release
from core.locks import FileLock, holder_note
from core.models import Job
from evalsets.models import Attempt, Cell, Run
from evalsets.runs.ledger import ZERO, Tally, tally_of
from evalsets.runs.manifest import Manifest
from evalsets.runs.worker_note import ACTOR

KIND = "run"


class Owned(NamedTuple):
    """A run in our hands, as it stood when we took it.

    `maybe_paid` estimates the calls that were in flight when an earlier owner died,
    `judges_maybe_paid` those of judges among them.
    """

    claim: Claim
    manifest: Manifest
    dataset: str
    budget: Decimal | None
    wanted: str | None
    pending: int
    tally: Tally
    seconds: float
    next_attempt: int
    maybe_paid: Decimal
    judges_maybe_paid: Decimal = ZERO


def locks(data: Path) -> Path:
    """The folder of the locks that the kernel frees."""
    return data / "locks"


def run_lock(data: Path, run_id: str) -> FileLock:
    """Held by the owner of a run while it lives."""
    return FileLock(locks(data) / f"run-{run_id}.lock")


def has_owner(data: Path, run_id: str) -> bool:
    """Whether a live process of this data folder holds the run."""
    return holder_note(locks(data) / f"run-{run_id}.lock") is not None


@contextmanager
def owned(
    database: Database, *, run_id: str | None = None, lease: float = LEASE_SECONDS
) -> Iterator[Owned | None]:
    """Take a run that is queued or whose owner is dead (or the given one); None if there is none.

    The `flock` is held until the block ends.
    """
    data = database.settings.data
    with database.read_scope() as session:
        candidates = open_jobs(session, KIND, data, run_id)
    for candidate in candidates:
        lock = run_lock(data, candidate.ref)
        free = lock.try_acquire(str(os.getpid()))
        try:
            dead = free and candidate.here
            if not (free or candidate.expired):
                continue
            found = _take(database, candidate.ref, dead, lease)
            if found is not None:
                yield found
                return
        finally:
            lock.release()
    yield None


def _take(database: Database, run_id: str, dead: bool, lease: float) -> Owned | None:
    owner = f"{place(database.settings.data)}:{os.getpid()}"
    with database.session_scope(ACTOR) as session:
        held = claim(session, KIND, owner, ref=run_id, dead=dead)
        if held is None:
            return None
        _extend(session, held, lease)
        return _load(session, held)


def _extend(session: Session, held: Claim, lease: float) -> None:
    until = utcnow() + timedelta(seconds=lease)
    session.connection().execute(
        update(Job).where(col(Job.id) == held.job_id).values(lease_until=until)
    )


def _load(session: Session, held: Claim) -> Owned:
    run = session.exec(select(Run).where(Run.id == held.ref).with_for_update()).one()
    mark_interrupted(session, run)
    _count_attempts(session, run.id)
    run.status, run.reason, run.ended_at = "running", None, None
    run.started_at = run.started_at or utcnow()
    session.add(run)
    session.flush()
    last = session.exec(select(func.max(Attempt.number)).where(Attempt.run_id == run.id)).one()
    lost = select(Attempt).where(Attempt.run_id == run.id, Attempt.outcome == "interrupted")
    paid = list(session.exec(lost))
    return Owned(
        claim=held,
        manifest=Manifest.model_validate(run.manifest),
        dataset=run.dataset,
        budget=run.budget,
        wanted=run.wanted,
        pending=run.total - run.succeeded - run.failed,
        tally=tally_of(run),
        seconds=run.seconds,
        next_attempt=(last or 0) + 1,
        maybe_paid=sum((one.cost or ZERO for one in paid), ZERO),
        judges_maybe_paid=sum((one.cost or ZERO for one in paid if one.evaluator), ZERO),
    )


def mark_interrupted(session: Session, run: Run) -> None:
    """Name the attempts without outcome: they were sent, and nobody will hear their answer."""
    open_ones = select(Attempt.cell).where(Attempt.run_id == run.id, col(Attempt.outcome).is_(None))
    cells = list(session.exec(open_ones))
    if not cells:
        return
    connection = session.connection()
    flagged = col(Cell.run_id) == run.id, col(Cell.number).in_(set(cells))
    connection.execute(update(Cell).where(*flagged).values(interrupted=True))
    outcome = {"outcome": "interrupted", "ended_at": utcnow()}
    lost = col(Attempt.run_id) == run.id, col(Attempt.outcome).is_(None)
    connection.execute(update(Attempt).where(*lost).values(outcome))
    run.interrupted += len(cells)
    session.add(run)


def _count_attempts(session: Session, run_id: str) -> None:
    """Cells that wait for a retry when their owner ends have not been told their attempts."""
    mine = Attempt.run_id == run_id, col(Attempt.evaluator).is_(None)
    tried = select(Attempt.cell).where(*mine)
    count = (
        select(func.count())
        .where(*mine, col(Attempt.cell) == col(Cell.number))
        .correlate(Cell)
        .scalar_subquery()
    )
    session.connection().execute(
        update(Cell)
        .where(col(Cell.run_id) == run_id, col(Cell.state) == "pending")
        .where(col(Cell.number).in_(tried))
        .values(attempts=count)
    )


class End(NamedTuple):
    """How an owner leaves a run: its new state, and whether the job is queued again."""

    status: str
    reason: str | None = None
    again: bool = False


def leave(database: Database, held: Claim, end: End) -> None:
    """Write the end; raises LostLease when another owner has the run."""
    with database.session_scope(ACTOR) as session:
        check_fence(session, held)
        run = session.exec(select(Run).where(Run.id == held.ref).with_for_update()).one()
        mark_interrupted(session, run)
        _count_attempts(session, run.id)
        settle(session, run, end.status, end.reason)
        (release if end.again else finish)(session, held)


def settle(session: Session, run: Run, status: str, reason: str | None) -> None:
    """Put a run without owner into a state; a cancelled one keeps the errors it had as failures."""
    now: datetime = utcnow()
    run.status, run.reason, run.wanted = status, reason, None
    run.ended_at = now if status in ("completed", "cancelled", "failed") else None
    if status == "cancelled":
        old = col(Cell.run_id) == run.id, col(Cell.state) == "pending", col(Cell.error).is_not(None)
        done = session.connection().execute(update(Cell).where(*old).values(state="failed"))
        run.failed += done.rowcount
    session.add(run)
    session.flush()
