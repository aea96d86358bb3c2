"""Takes what a trainer told in its event file over into the database, once each."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from sqlmodel import Session

from core.jobs import Claim, check_fence
from tuning import jobs
from tuning.models import TuningJob, TuningPoint
from tuning.spec import Checkpointed, Ended, Evaluated, Event, Failed, Sampled, Started, Step

_event: TypeAdapter[Event] = TypeAdapter(Event)
_MOST_BYTES = 1 << 22
log = logging.getLogger("promptstone.tuning")


class Told(NamedTuple):
    """Events from a place in the file on, and the place after the last whole line."""

    events: Sequence[Event]
    place: int


def read(path: Path, place: int) -> Told:
    """Whole lines beyond `place`; a line that is no event is left out, half a line waits."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            data = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return Told((), place)
    end = data.rfind(b"\n") + 1
    found: list[Event] = []
    for line in data[:end].splitlines():
        try:
            found.append(_event.validate_json(line))
        except ValidationError:
            log.warning("a line of %s is no event", path)
    return Told(found, place + end)


def keep(session: Session, held: Claim, told: Told, number: int) -> int:
    """Write events and the place after them in one transaction; the next point's number.

    Raises LostLease.
    """
    check_fence(session, held)
    job = jobs.row(session, held.ref)
    for event in told.events:
        point = _point(job.id, event)
        if point is not None:
            point.number, number = number, number + 1
            session.add(point)
        _apply(job, event)
    job.events = told.place
    session.add(job)
    return number


def _point(job_id: str, event: Event) -> TuningPoint | None:
    at = datetime.fromtimestamp(event.at, UTC)
    match event:
        case Step(step=step, loss=loss) if loss is not None:
            return TuningPoint(job_id=job_id, number=0, kind="loss", step=step, value=loss, at=at)
        case Evaluated(step=step, loss=loss):
            return TuningPoint(
                job_id=job_id, number=0, kind="eval_loss", step=step, value=loss, at=at
            )
        case Sampled(step=step, sample=sample, text=text):
            return TuningPoint(
                job_id=job_id, number=0, kind="sample", step=step, value=sample, text=text, at=at
            )
        case _:
            return None


def _apply(job: TuningJob, event: Event) -> None:
    match event:
        case Started():
            job.step, job.steps = event.step, event.steps
        case Step():
            job.step = event.step
            job.tokens_per_second = event.tokens_per_second or job.tokens_per_second
            job.peak_memory_gb = max(event.memory_gb or 0, job.peak_memory_gb or 0) or None
        case Evaluated():
            job.eval_loss = event.loss
        case Checkpointed():
            job.checkpoint = event.name
        case Ended():
            job.step = event.step
            job.result = event.model_dump(mode="json", exclude={"event", "at"})
        case Sampled() | Failed():
            return
