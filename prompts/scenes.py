"""Scenes of the playground in the database: saved at each change, never over somebody's newer one.

Another person's scene is copied by the first change that one makes to it.
"""

from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError
from sqlmodel import Session, col, select

from core import drafts
from core.audit import actor_of
from core.clock import new_id, utcnow
from core.errors import Conflict, Invalid, NotFound, TooLarge
from prompts.models import Scene
from prompts.scene import SceneState

KIND = "scene"
MOST_BYTES = 8 * 1024 * 1024


class StoredScene(NamedTuple):
    """A scene as it stands; `revision` is what a change of it must name."""

    id: str
    owner: str
    revision: int
    state: SceneState
    copied_from: str | None = None


class SceneConflictError(Conflict):
    """The scene was changed elsewhere since it was read; `newer` is how it stands."""

    def __init__(self, newer: StoredScene) -> None:
        super().__init__(
            "This comparison was changed in another tab since you opened it. Take that state, or "
            "keep yours as a comparison of its own.",
            code="scene_conflict",
        )
        self.newer = newer


def create(session: Session, state: SceneState, *, copied_from: str | None = None) -> StoredScene:
    """A new scene of the session's actor."""
    row = Scene(id=new_id(), owner=actor_of(session), state=_dumped(state), copied_from=copied_from)
    session.add(row)
    session.flush()
    drafts.touch(session, KIND, row.id, state.title[:200])
    return StoredScene(row.id, row.owner, row.revision, state, row.copied_from)


def get(session: Session, scene_id: str) -> StoredScene:
    """The scene of that id, whoever made it; raises NotFound."""
    return _stored(_need(session, scene_id))


def save(session: Session, scene_id: str, state: SceneState, *, revision: int) -> StoredScene:
    """Store a change that was made to `revision`; a stranger gets a copy of their own.

    Raises SceneConflictError when the owner changed it since, in another tab.
    """
    row = _need(session, scene_id, lock=True)
    if row.owner != actor_of(session):
        return create(session, state, copied_from=row.id)
    if row.revision != revision:
        raise SceneConflictError(_stored(row))
    row.state, row.revision, row.updated_at = _dumped(state), revision + 1, utcnow()
    session.add(row)
    session.flush()
    drafts.touch(session, KIND, row.id, state.title[:200])
    return StoredScene(row.id, row.owner, row.revision, state, row.copied_from)


def remove(session: Session, scene_id: str) -> None:
    """Forget a scene of the session's actor; its calls stay on record."""
    row = _need(session, scene_id, lock=True)
    if row.owner != actor_of(session):
        raise Conflict("Only who made a comparison can remove it. Leave it as it is.")
    session.delete(row)
    session.flush()
    drafts.forget(session, KIND, scene_id)


def list_scenes(
    session: Session, owner: str, *, before: str | None = None, limit: int = 50
) -> list[Scene]:
    """The scenes of `owner`, newest first, from before the id `before`."""
    query = select(Scene).where(Scene.owner == owner)
    if before is not None:
        query = query.where(Scene.id < before)
    return list(session.exec(query.order_by(col(Scene.id).desc()).limit(limit)))


def _need(session: Session, scene_id: str, *, lock: bool = False) -> Scene:
    query = select(Scene).where(Scene.id == scene_id)
    row = session.exec(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound("There is no such comparison. Begin a new one in the playground.")
    return row


def _dumped(state: SceneState) -> dict[str, Any]:
    """The state as the database keeps it, checked again: changes of a copy are not."""
    dumped = state.model_dump(mode="json")
    try:
        SceneState.model_validate(dumped)
    except ValueError as error:
        raise Invalid(f"This comparison cannot be kept: {_fault(error)}.") from None
    if len(orjson.dumps(dumped)) > MOST_BYTES:
        raise TooLarge(
            "The texts and values of this comparison have more than 8 MiB. Remove a column, or "
            "shorten them."
        )
    return dumped


def _fault(error: ValueError) -> str:
    faults = error.errors() if isinstance(error, ValidationError) else []
    return str(faults[0]["msg"]).removeprefix("Value error, ") if faults else str(error)


def _stored(row: Scene) -> StoredScene:
    state = SceneState.model_validate(row.state)
    return StoredScene(row.id, row.owner, row.revision, state, row.copied_from)
