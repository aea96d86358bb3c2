"""Calls of apps as they were recorded: pages of them, and one with everything that was said."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func
from sqlmodel import Session, col, select

from core.database import Database
from core.errors import NotFound
from serving.models import ApiKey, Feedback, Review, Trace, TraceContent
from serving.trace_filters import (
    TraceFilter,
    conditions,
    holds_text,
    moment_of,
    newer_than,
    older_than,
)

PAGE = 50
MOST_SEARCHED = 10_000
"""Calls whose texts one page looks through; the next page goes on from there."""
_COUNTED = 1000
_BATCH = 200


class TracePage(NamedTuple):
    """Calls, the newest first; `after` continues with older ones, `before` with newer ones.

    `cut` says that a search for a text stopped after so many calls, and `after` goes on there.
    """

    rows: list[Trace]
    after: str | None
    before: str | None
    cut: bool = False


class FeedbackPublic(NamedTuple):
    """One thing that was said about a call."""

    id: str
    rating: str | None
    reasons: list[str]
    comment: str
    correction: str | None
    actor: str
    at: datetime


class Decision(NamedTuple):
    """What a person decided about a call; `dataset` is where its case went or will go."""

    decision: str
    correction: str | None
    dataset: str | None
    actor: str
    at: datetime


@dataclass(frozen=True)
class TracePublic:
    """One call with all that is known of it; no content where none is kept."""

    row: Trace
    key: str | None
    content: TraceContent | None
    feedback: list[FeedbackPublic]
    decision: Decision | None


def page_traces(
    session: Session,
    asked: TraceFilter,
    *,
    after: str | None = None,
    before: str | None = None,
    limit: int = PAGE,
) -> TracePage:
    """A page of calls from behind the request id `after`, or those before `before`.

    Raises NotFound for an unknown app, Invalid for a cursor that is no request id.
    """
    wanted = conditions(session, asked)
    forward = before is None
    cursor = after if forward else before
    if cursor is not None:
        place = _place(session, cursor)
        wanted.append(older_than(*place) if forward else newer_than(*place))
    query = _ordered(select(Trace).where(*wanted), forward)
    ends_at = None
    if asked.text:
        inside = _ordered(select(Trace.id).where(*wanted), forward)
        ends_at = session.exec(inside.offset(MOST_SEARCHED - 1).limit(1)).first()
        some = inside.limit(MOST_SEARCHED).subquery()
        query = select(Trace).join(some, some.c.id == Trace.id)
        query = query.outerjoin(TraceContent, col(TraceContent.id) == Trace.id)
        query = _ordered(query.where(holds_text(asked.text)), forward)
    rows = list(session.exec(query.limit(limit + 1)))
    more = rows[limit - 1].id if len(rows) > limit else None
    cut = more is None and ends_at is not None
    return _page(rows[:limit], more or ends_at, cursor, forward, cut)


def _page(
    rows: list[Trace], more: str | None, cursor: str | None, forward: bool, cut: bool
) -> TracePage:
    if forward:
        back = None if cursor is None else rows[0].id if rows else cursor
        return TracePage(rows, more, back, cut)
    rows.reverse()
    return TracePage(rows, rows[-1].id if rows else cursor, more, cut)


def _ordered(query: Any, forward: bool) -> Any:
    """By moment, which every index has behind its other columns, then by id."""
    if forward:
        return query.order_by(col(Trace.at).desc(), col(Trace.id).desc())
    return query.order_by(col(Trace.at), col(Trace.id))


class _Place(NamedTuple):
    at: datetime
    id: str


def _place(session: Session, cursor: str) -> _Place:
    """Where a call stands; one that has expired stands where its id says."""
    at = session.exec(select(Trace.at).where(Trace.id == cursor)).first()
    return _Place(moment_of(cursor) if at is None else at, cursor)


def count_newer(session: Session, asked: TraceFilter, than: str | None) -> int:
    """How many calls came since the one on top of a page, counted up to a thousand."""
    wanted = conditions(session, asked)
    if than is not None:
        wanted.append(newer_than(*_place(session, than)))
    some: Select[tuple[str]] = select(Trace.id).where(*wanted).limit(_COUNTED)  # pyright: ignore[reportAssignmentType]
    return session.exec(select(func.count()).select_from(some.subquery())).one()


def get_trace(session: Session, request_id: str) -> TracePublic:
    """One call with its content, feedback and review; raises NotFound."""
    row = session.get(Trace, request_id)
    if row is None:
        raise NotFound(
            f"There is no call {request_id[:40]!r}. It may have expired; `promptstone trace list` "
            "shows those there are.",
            param="request_id",
        )
    return next(whole(session, [row]))


def whole(session: Session, rows: Sequence[Trace]) -> Iterator[TracePublic]:
    """Some calls with everything, in their order."""
    ids = [row.id for row in rows]
    contents = _by_id(session, TraceContent, col(TraceContent.id), ids)
    reviews = _by_id(session, Review, col(Review.trace_id), ids)
    named = select(ApiKey.id, ApiKey.name).where(col(ApiKey.id).in_({r.key_id for r in rows}))
    names = dict(session.exec(named).all())
    said = feedback_of(session, ids)
    for row in rows:
        yield TracePublic(
            row,
            names.get(row.key_id or "", row.key_id),
            contents.get(row.id),
            said.get(row.id, []),
            _decision(reviews.get(row.id)),
        )


def _by_id(session: Session, table: type[Any], column: Any, ids: Sequence[str]) -> dict[str, Any]:
    found = session.exec(select(table).where(column.in_(ids)))
    return {getattr(one, column.key): one for one in found}


def _decision(row: Review | None) -> Decision | None:
    if row is None:
        return None
    return Decision(row.decision, row.correction, row.dataset, row.actor, row.at)


def feedback_of(session: Session, ids: Sequence[str]) -> dict[str, list[FeedbackPublic]]:
    """What was said of some calls, each oldest first; the last counts."""
    query = select(Feedback).where(col(Feedback.trace_id).in_(ids))
    found: dict[str, list[FeedbackPublic]] = {}
    for one in session.exec(query.order_by(col(Feedback.at), col(Feedback.id))):
        found.setdefault(one.trace_id, []).append(
            FeedbackPublic(
                one.id, one.rating, one.reasons, one.comment, one.correction, one.actor, one.at
            )
        )
    return found


def iter_traces(
    database: Database, asked: TraceFilter, *, limit: int | None = None
) -> Iterator[TracePublic]:
    """All calls that match, newest first, 200 in memory at a time.

    No transaction is open while the caller works.
    """
    after, left = None, limit
    while left is None or left > 0:
        with database.read_scope() as session:
            size = _BATCH if left is None else min(left, _BATCH)
            page = page_traces(session, asked, after=after, limit=size)
            found = list(whole(session, page.rows))
        yield from found
        if page.after is None:
            return
        after = page.after
        left = None if left is None else left - len(found)
