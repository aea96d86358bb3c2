"""What goes wrong again and again: the failed and badly rated calls of an app, grouped."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import or_
from sqlmodel import Session, col

from serving.grouping import MOST_COMPARED, Failure, Group, group
from serving.lookup import need_app
from serving.models import Trace, TraceContent
from serving.traces import FeedbackPublic, feedback_of

_FAILED = ("failed", "blocked")


def similar_failures(
    session: Session,
    app: str | None,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    limit: int = MOST_COMPARED,
) -> list[Group]:
    """Groups of the newest failed, blocked or badly rated calls; raises NotFound."""
    return group(failures(session, app, since, until, limit=limit))


def failures(
    session: Session,
    app: str | None,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    limit: int = MOST_COMPARED,
) -> list[Failure]:
    """What `similar_failures` groups, the newest first; the grouping itself needs no session."""
    wanted = [or_(col(Trace.rating) == "bad", col(Trace.state).in_(_FAILED))]
    if app is not None:
        wanted.append(col(Trace.app_id) == need_app(session, app).id)
    if since is not None:
        wanted.append(col(Trace.at) >= since)
    if until is not None:
        wanted.append(col(Trace.at) < until)
    columns: Any = (Trace.id, Trace.state, Trace.error, TraceContent.inputs, TraceContent.given)
    query = (
        sa.select(*columns)
        .outerjoin(TraceContent, col(TraceContent.id) == Trace.id)
        .where(*wanted)
        .order_by(col(Trace.at).desc(), col(Trace.id).desc())
        .limit(min(limit, MOST_COMPARED))
    )
    rows: Any = session.connection().execute(query).all()
    said: dict[str, list[FeedbackPublic]] = {}
    for start in range(0, len(rows), 500):
        said |= feedback_of(session, [row[0] for row in rows[start : start + 500]])
    return [
        Failure(
            request_id,
            error if state in _FAILED else None,
            tuple(
                dict.fromkeys(reason for one in said.get(request_id, []) for reason in one.reasons)
            ),
            "\n".join([_asked(inputs, given), *(one.comment for one in said.get(request_id, []))]),
        )
        for request_id, state, error, inputs, given in rows
    ]


def _asked(inputs: dict[str, Any] | None, given: list[dict[str, Any]] | None) -> str:
    """The last thing that a user said, and the texts of the inputs."""
    texts = [value for value in (inputs or {}).values() if isinstance(value, str)]
    users = [turn["content"] for turn in given or [] if turn.get("role") == "user"]
    return "\n".join([*texts, *users[-1:]])
