"""What is kept of calls goes when its time is over: each app says how many days."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func
from sqlmodel import Session, col, select

from serving.models import (
    App,
    Conversation,
    Feedback,
    Judgement,
    Review,
    Trace,
    TraceContent,
)
from serving.service import operations_of


def expire(session: Session, now: datetime, batch: int = 1000) -> int:
    """Delete at most `batch` calls and conversations past their app's days; how many went.

    What was said, feedback and review go with a call. 0 says that nothing is left to do.
    """
    left = batch
    for old in _old(session, now):
        left -= _delete_calls(session, old, left)
        if left <= 0:
            break
    else:
        left -= _delete_conversations(session, now, left)
    return batch - left


def _old(session: Session, now: datetime) -> Iterator[ColumnElement[bool]]:
    """By app which calls are too old; those of apps that are gone were written after their end."""
    apps = list(session.exec(select(App).order_by(col(App.name))))
    for app in apps:
        yield (col(Trace.app_id) == app.id) & (col(Trace.at) < _border(app, now))
    known = {app.id for app in apps}
    for app_id in _app_ids(session):
        if app_id not in known:
            yield col(Trace.app_id) == app_id


def _app_ids(session: Session) -> Iterator[str]:
    """The apps that have calls, by steps through the index instead of a look at every call."""
    found = session.exec(select(func.min(Trace.app_id))).one()
    while found is not None:
        yield found
        found = session.exec(select(func.min(Trace.app_id)).where(Trace.app_id > found)).one()


def _border(app: App, now: datetime) -> datetime:
    return now - timedelta(days=operations_of(app).retention_days)


def _delete_calls(session: Session, old: ColumnElement[bool], most: int) -> int:
    ids = list(session.exec(select(Trace.id).where(old).order_by(col(Trace.at)).limit(most)))
    run = session.connection().execute
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        run(delete(TraceContent).where(col(TraceContent.id).in_(some)))
        run(delete(Feedback).where(col(Feedback.trace_id).in_(some)))
        run(delete(Judgement).where(col(Judgement.trace_id).in_(some)))
        run(delete(Review).where(col(Review.trace_id).in_(some)))
        run(delete(Trace).where(col(Trace.id).in_(some)))
    return len(ids)


def _delete_conversations(session: Session, now: datetime, most: int) -> int:
    gone = 0
    for app in session.exec(select(App)):
        query = select(Conversation).where(
            Conversation.app_id == app.id, Conversation.updated_at < _border(app, now)
        )
        for row in session.exec(query.limit(most - gone)):
            session.delete(row)
            gone += 1
    session.flush()
    return gone
