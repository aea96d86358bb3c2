"""Which calls are looked for, as conditions of a query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import orjson
from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, or_
from sqlmodel import Session, col, select

from core.errors import Invalid
from core.types import escaped
from serving.lookup import need_app
from serving.models import ApiKey, Feedback, Trace, TraceContent

StatusClass = Literal["ok", "failed", "blocked", "aborted"]
STATES: dict[str, tuple[str, ...]] = {
    "ok": ("succeeded", "pinned"),
    "failed": ("failed",),
    "blocked": ("blocked",),
    "aborted": ("aborted",),
}
RATINGS = ("good", "bad", "none")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True)
class TraceFilter:
    """Every part that is given must hold.

    `state`: ok, failed, blocked or aborted; `rating`: good, bad or none; `review`: open or done;
    `key` a key's name or id; `reason` one that feedback gave; `ids` a choice of calls; `text`
    stands in the inputs, the answer or the error, regardless of case, or is the request id.
    """

    app: str | None = None
    release: int | None = None
    rating: str | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    key: str | None = None
    user: str | None = None
    reason: str | None = None
    review: str | None = None
    text: str | None = None
    ids: tuple[str, ...] | None = None


def conditions(session: Session, asked: TraceFilter) -> list[ColumnElement[bool]]:
    """All but `text`; raises NotFound for an unknown app, Invalid for unknown words."""
    found = list(_equalities(session, asked))
    if asked.state is not None:
        found.append(col(Trace.state).in_(STATES[_one_of(asked.state, STATES, "status")]))
    if asked.rating is not None:
        said = _one_of(asked.rating, RATINGS, "rating")
        rating = col(Trace.rating)
        found.append(rating.is_(None) if said == "none" else rating == said)
    if asked.ids is not None:
        found.append(col(Trace.id).in_(asked.ids))
    if asked.since is not None:
        found.append(col(Trace.at) >= asked.since)
    if asked.until is not None:
        found.append(col(Trace.at) < asked.until)
    if asked.key is not None:
        named = select(ApiKey.id).where(
            or_(*(column == asked.key for column in (col(ApiKey.name), col(ApiKey.id))))
        )
        found.append(col(Trace.key_id).in_(named))
    if asked.reason is not None:
        reasons = cast(Feedback.reasons, Text)
        stands = reasons.contains(f'"{in_json(asked.reason)}"', autoescape=True)
        found.append(exists().where(col(Feedback.trace_id) == Trace.id, stands))
    return found


def _equalities(session: Session, asked: TraceFilter) -> Sequence[ColumnElement[bool]]:
    pairs = (
        (Trace.app_id, None if asked.app is None else need_app(session, asked.app).id),
        (Trace.release, asked.release),
        (Trace.user, asked.user),
        (Trace.review, asked.review),
    )
    return [col(column) == value for column, value in pairs if value is not None]


def _one_of(word: str, known: Sequence[str] | dict[str, tuple[str, ...]], what: str) -> str:
    if word not in known:
        names = ", ".join(known)
        raise Invalid(f"There is no {what} {word[:40]!r}. Use one of {names}.", param=what)
    return word


def holds_text(text: str) -> ColumnElement[bool]:
    """Whether a call, joined with its content, holds `text`."""
    low = text.lower()
    kept = escaped(low)
    plain = (Trace.preview, Trace.error, TraceContent.output)
    wide = (TraceContent.inputs, TraceContent.given)
    return or_(
        col(Trace.id) == escaped(text.strip().upper()),
        *(func.lower(col(one)).contains(kept, autoescape=True) for one in plain),
        *(func.lower(cast(one, Text)).contains(in_json(low), autoescape=True) for one in wide),
    )


def in_json(text: str) -> str:
    """`text` as it stands inside a JSON text."""
    try:
        return orjson.dumps(text).decode()[1:-1]
    except TypeError:
        raise Invalid("The text to search for holds half a character. Correct it.") from None


def moment_of(request_id: str) -> datetime:
    """When a request id was made; raises Invalid for what is none."""
    number = 0
    for char in request_id[:10]:
        if char not in _CROCKFORD:
            break
        number = number << 5 | _CROCKFORD.index(char)
    else:
        if len(request_id) == 26 and number < 1 << 47:
            return datetime.fromtimestamp(number / 1000, UTC)
    raise Invalid(
        f"{request_id[:40]!r} is no request id. It is the `x-request-id` of an answer.",
        param="request_id",
    )


def older_than(at: datetime, request_id: str) -> ColumnElement[bool]:
    """Behind a call in the order of a list, the newest first."""
    same = and_(col(Trace.at) == at, col(Trace.id) < request_id)
    return and_(col(Trace.at) <= at, or_(col(Trace.at) < at, same))


def newer_than(at: datetime, request_id: str) -> ColumnElement[bool]:
    """Before a call in the order of a list."""
    same = and_(col(Trace.at) == at, col(Trace.id) > request_id)
    return and_(col(Trace.at) >= at, or_(col(Trace.at) > at, same))
