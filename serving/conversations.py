"""Chats whose turns we keep for a client, by a conversation id that belongs to its key."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete
from sqlmodel import Session, col

from core.clock import utcnow
from core.errors import Conflict
from serving.bodies import Turn
from serving.models import Conversation

MOST_TURNS = 200
MOST_CHARACTERS = 400_000


class Kept(NamedTuple):
    """The turns so far, and the revision that the next ones are added to."""

    turns: list[Turn]
    revision: int


def load(session: Session, app_id: str, owner: str, conversation: str) -> Kept:
    """The turns of a conversation; none for a new id."""
    row = session.get(Conversation, (app_id, owner, conversation))
    return Kept([], 0) if row is None else Kept(list(row.turns), row.revision)


def append(
    session: Session,
    app_id: str,
    owner: str,
    conversation: str,
    turns: Sequence[Turn],
    revision: int,
) -> None:
    """Add the turns of one call; Conflict if another call was answered in between.

    The oldest turns are let go beyond 200 turns or 400,000 characters.
    """
    row = session.get(Conversation, (app_id, owner, conversation), with_for_update=True)
    if (row.revision if row else 0) != revision:
        raise Conflict(
            "Another message of this conversation was answered meanwhile. Send one at a time."
        )
    row = row or Conversation(app_id=app_id, owner=owner, id=conversation, turns=[])
    row.turns = _fitting([*row.turns, *turns])
    row.revision, row.updated_at = revision + 1, utcnow()
    session.add(row)
    session.flush()


def _fitting(turns: list[Turn]) -> list[Turn]:
    kept = turns[-MOST_TURNS:]
    size = sum(len(turn["content"]) for turn in kept)
    while len(kept) > 2 and size > MOST_CHARACTERS:
        size -= len(kept.pop(0)["content"])
    return kept


def expire(session: Session, app_id: str, before: datetime) -> None:
    """Forget conversations that nobody has continued since."""
    old = col(Conversation.updated_at) < before
    session.connection().execute(
        delete(Conversation).where(col(Conversation.app_id) == app_id, old)
    )
