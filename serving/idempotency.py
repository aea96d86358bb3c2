"""The same Idempotency-Key gets the same answer: one call is made, later ones are told its answer.

An answer is kept for a day. A call that failed leaves nothing, so that trying again really tries.
"""

import re
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from core.clock import utcnow
from core.errors import Conflict, Invalid
from serving.models import IdempotentCall

KEPT = timedelta(days=1)
SILENT = timedelta(seconds=45)
"""After so long a call of which nothing is heard is taken for dead: its process was killed."""
RENEW_SECONDS = 15.0
_TOKEN = re.compile(r"[\x21-\x7e]{1,255}")


class Stored(NamedTuple):
    """An answer as it was given."""

    status: int
    media: str
    body: str
    request_id: str


def check_token(token: str) -> str:
    """Return the header's value, or raise Invalid."""
    if _TOKEN.fullmatch(token) is None:
        raise Invalid(
            "The Idempotency-Key has to be 1 to 255 visible ASCII characters. Send a UUID.",
            param="Idempotency-Key",
        )
    return token


def claim(
    session: Session, key_id: str, token: str, body_hash: str, request_id: str
) -> Stored | None:
    """The stored answer; None when the call is now this request's to make.

    Raises Invalid for another body under the same token, Conflict while the first still runs.
    """
    row = session.get(IdempotentCall, (key_id, token), with_for_update=True)
    if row is None:
        row = IdempotentCall(key_id=key_id, token=token, body_hash=body_hash, request_id=request_id)
        try:
            with session.begin_nested():
                session.add(row)
                session.flush()
        except IntegrityError:  # another process was first, between the look and the insert
            raise _running() from None
        return None
    age = utcnow() - row.at
    if age <= KEPT and row.body_hash != body_hash:
        raise Invalid(
            "This Idempotency-Key was used with another body. Use a new key for a new call.",
            param="Idempotency-Key",
        )
    if row.status is not None and age <= KEPT:
        return Stored(row.status, row.media or "", row.body or "", row.request_id)
    if row.status is None and age <= SILENT:
        raise _running()
    row.body_hash, row.status, row.body = body_hash, None, None
    row.request_id, row.at = request_id, utcnow()
    session.add(row)
    session.flush()
    return None


def _running() -> Conflict:
    return Conflict(
        "A call with this Idempotency-Key is still running. Ask again when it has ended.",
        code="idempotency_running",
    )


def renew(session: Session, key_id: str, token: str, request_id: str) -> None:
    """Say that a call still runs; every RENEW_SECONDS while it does."""
    row = session.get(IdempotentCall, (key_id, token))
    if row is not None and row.request_id == request_id and row.status is None:
        row.at = utcnow()
        session.add(row)
        session.flush()


def store(session: Session, key_id: str, token: str, answer: Stored) -> None:
    """Keep the answer of a call that succeeded."""
    row = session.get(IdempotentCall, (key_id, token))
    if row is not None and row.request_id == answer.request_id:
        row.status, row.media, row.body = answer.status, answer.media, answer.body
        session.add(row)
        session.flush()


def release(session: Session, key_id: str, token: str, request_id: str) -> None:
    """Forget a call that failed."""
    row = session.get(IdempotentCall, (key_id, token))
    if row is not None and row.request_id == request_id:
        session.delete(row)
        session.flush()


def sweep(session: Session) -> None:
    """Let go of what is older than a day."""
    old = col(IdempotentCall.at) < utcnow() - KEPT
    session.connection().execute(delete(IdempotentCall).where(old))
