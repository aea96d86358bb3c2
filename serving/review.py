"""Calls that somebody complained about, looked at by a person one after the other."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from core.audit import actor_of
from core.clock import utcnow
from core.errors import Conflict, Invalid, NotFound
from core.names import check_name
from evalsets.labels.content import checked
from serving.cases import Releases, correction_of, trace_case
from serving.collecting import Collected, collected, is_added
from serving.lookup import need_app
from serving.models import Review, Trace
from serving.traces import FeedbackPublic, get_trace

Verdict = Literal["bad", "fine", "corrected"]
DECISIONS = ("bad", "fine", "corrected")


@dataclass(frozen=True)
class ToReview:
    """What a reviewer sees of a call: what was said, and what the client says of it, never who."""

    request_id: str
    app: str
    release: int
    at: datetime
    state: str
    error: str | None
    rating: str | None
    inputs: dict[str, Any] | None
    given: list[dict[str, Any]]
    output: str
    tool_calls: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    feedback: list[FeedbackPublic]
    correction: str | None

    @property
    def has_content(self) -> bool:
        """Whether what was said is kept, without which there is no case to make."""
        return self.inputs is not None


class ReviewCounts(NamedTuple):
    """Calls that wait for a person, those that got one today, and cases that wait to be added."""

    open: int
    today: int
    collected: list[Collected]


def next_open(session: Session, app: str | None = None, after: str | None = None) -> str | None:
    """The oldest call that waits, behind the call `after`; None at the end."""
    query = select(Trace.id).where(Trace.review == "open")
    if app is not None:
        query = query.where(Trace.app_id == need_app(session, app).id)
    if after is not None and (place := session.get(Trace, after)) is not None:
        later = (col(Trace.at) == place.at) & (col(Trace.id) > after)
        query = query.where((col(Trace.at) > place.at) | later)
    return session.exec(query.order_by(col(Trace.at), col(Trace.id)).limit(1)).first()


def show(session: Session, request_id: str) -> ToReview:
    """A call as a reviewer may see it; raises NotFound."""
    found = get_trace(session, request_id)
    row, content = found.row, found.content
    return ToReview(
        request_id=row.id,
        app=row.app,
        release=row.release,
        at=row.at,
        state=row.state,
        error=row.error,
        rating=row.rating,
        inputs=None if content is None else content.inputs,
        given=[] if content is None else content.given,
        output="" if content is None else content.output,
        tool_calls=[] if content is None else content.tool_calls,
        sources=[] if content is None else content.sources,
        feedback=[one._replace(actor="") for one in found.feedback],
        correction=correction_of(found),
    )


def resolve(
    session: Session,
    request_id: str,
    decision: Verdict,
    correction: str | None = None,
    dataset: str | None = None,
) -> Review:
    """Decide about a call in the actor's name; with `dataset` its case is collected for it.

    Raises NotFound, Conflict when somebody else has decided, and Invalid for a case of which
    nothing is kept.
    """
    trace = session.exec(select(Trace).where(Trace.id == request_id).with_for_update()).first()
    if trace is None:
        raise NotFound("This call has expired. Go on with the next one.", param="request_id")
    said = checked("bad", (), correction).correction
    if decision not in DECISIONS or (decision == "corrected") != (said is not None):
        raise Invalid("A correction needs its text. Write what the answer should have been.")
    before = session.get(Review, request_id)
    if trace.review != "open" and before is not None and before.actor != actor_of(session):
        raise Conflict(f"{before.actor} has decided about this call. Go on with the next one.")
    if before is not None and is_added(before):
        dataset = before.dataset
    elif dataset is not None:
        _check_case(session, request_id)
        dataset = check_name(dataset, "data set")
    row = before or Review(trace_id=trace.id, app_id=trace.app_id, decision=decision, actor="")
    row.decision, row.correction, row.dataset = decision, said, dataset
    row.actor, row.at = actor_of(session), utcnow()
    trace.review = "done"
    session.add_all([row, trace])
    session.flush()
    return row


def _check_case(session: Session, request_id: str) -> None:
    if trace_case(Releases(session), get_trace(session, request_id)) is None:
        raise Invalid(
            "Nothing is kept of what was said in this call, so it makes no case. Decide without "
            "one, or log the content of the app's calls."
        )


def undo(session: Session, app: str | None = None) -> str | None:
    """Take the actor's newest decision back; the call that is open again.

    None when there is none, or its case stands in a version, which never changes.
    """
    query = select(Review).where(Review.actor == actor_of(session))
    if app is not None:
        query = query.where(Review.app_id == need_app(session, app).id)
    row = session.exec(query.order_by(col(Review.at).desc()).limit(1)).first()
    if row is None or is_added(row):
        return None
    trace = session.get(Trace, row.trace_id)
    session.delete(row)
    if trace is None:
        return None
    trace.review = "open"
    session.add(trace)
    session.flush()
    return trace.id


def counts(session: Session, app: str | None = None) -> ReviewCounts:
    """How much waits, of one app or of all."""
    app_id = None if app is None else need_app(session, app).id
    waiting: Any = select(func.count()).select_from(Trace).where(Trace.review == "open")
    today = utcnow().replace(hour=0, minute=0, second=0, microsecond=0)
    done: Any = select(func.count()).select_from(Review).where(Review.at >= today)
    if app_id is not None:
        waiting = waiting.where(Trace.app_id == app_id)
        done = done.where(Review.app_id == app_id)
    return ReviewCounts(
        session.exec(waiting).one(), session.exec(done).one(), collected(session, app_id)
    )
