"""What a person typed but did not save, and what they touched last."""

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from core.audit import actor_of
from core.clock import utcnow
from core.models import Draft, Recent


def save_draft(session: Session, kind: str, ref: str, content: str) -> None:
    """Keep unsaved text of the session's actor."""
    session.merge(
        Draft(actor=actor_of(session), kind=kind, ref=ref, content=content, updated_at=utcnow())
    )
    session.flush()


def load_draft(session: Session, actor: str, kind: str, ref: str) -> Draft | None:
    """Unsaved text of `actor`."""
    return session.get(Draft, (actor, kind, ref))


def drop_draft(session: Session, kind: str, ref: str) -> None:
    """Forget unsaved text of the session's actor, because it was saved or given up."""
    draft = session.get(Draft, (actor_of(session), kind, ref))
    if draft is not None:
        session.delete(draft)
        session.flush()


def touch(session: Session, kind: str, ref: str, title: str) -> None:
    """Remember that the session's actor worked on an object."""
    actor, now = actor_of(session), utcnow()
    here = (col(Recent.actor) == actor, col(Recent.kind) == kind, col(Recent.ref) == ref)
    again = update(Recent).where(*here).values(title=title, at=now)
    # One statement for what is touched again and again, such as at each key.
    if session.connection().execute(again).rowcount == 0:
        session.add(Recent(actor=actor, kind=kind, ref=ref, title=title, at=now))
        session.flush()


def forget(session: Session, kind: str, ref: str) -> None:
    """An object is gone: nobody is led to it any more."""
    session.connection().execute(
        delete(Recent).where(col(Recent.kind) == kind, col(Recent.ref) == ref)
    )


def recent(session: Session, actor: str, limit: int = 8) -> list[Recent]:
    """What `actor` touched last, newest first."""
    query = select(Recent).where(Recent.actor == actor).order_by(col(Recent.at).desc())
    return list(session.exec(query.limit(limit)))
