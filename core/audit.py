"""Who did what: an append-only chain in which each row's hash covers the row before it."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session, col, select

from core.canonical import content_hash
from core.clock import utcnow
from core.models import AuditRow

_GENESIS = "0" * 64


def actor_of(session: Session) -> str:
    """Who writes in this session, as `Database.session_scope` was told."""
    return str(session.info["actor"])


def record(session: Session, action: str, what: str, detail: dict[str, object]) -> AuditRow:
    """Append a row in the transaction of the action itself, so that both stand or neither."""
    _serialize(session)
    newest = session.exec(select(AuditRow).order_by(col(AuditRow.id).desc()).limit(1)).first()
    row = AuditRow(
        at=utcnow(),
        actor=actor_of(session),
        action=action,
        object=what,
        detail=detail,
        previous=newest.hash if newest else _GENESIS,
        hash="",
    )
    row.hash = _hash(row)
    session.add(row)
    session.flush()
    return row


def rows(session: Session, *, before: int | None = None, limit: int = 50) -> list[AuditRow]:
    """The newest rows first, from below id `before`."""
    query = select(AuditRow).order_by(col(AuditRow.id).desc()).limit(limit)
    if before is not None:
        query = query.where(col(AuditRow.id) < before)
    return list(session.exec(query))


class Broken(NamedTuple):
    """The first row of a chain that does not fit."""

    id: int
    why: str


def verify(session: Session) -> Broken | None:
    """Walk the chain; None when every row still hashes to what it says."""
    return _first_broken(session.exec(select(AuditRow).order_by(col(AuditRow.id))))


def _first_broken(chain: Iterable[AuditRow]) -> Broken | None:
    previous = _GENESIS
    for row in chain:
        if row.previous != previous:
            return Broken(row.id or 0, "the row before it is missing or was changed")
        if row.hash != _hash(row):
            return Broken(row.id or 0, "its content was changed")
        previous = row.hash
    return None


def _hash(row: AuditRow) -> str:
    moment = row.at.isoformat()
    return content_hash([row.previous, moment, row.actor, row.action, row.object, row.detail])


def _serialize(session: Session) -> None:
    # Two writers on PostgreSQL would otherwise chain to the same row.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(7263911403)"))
