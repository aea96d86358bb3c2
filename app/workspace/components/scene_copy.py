"""The scene of this tab: changed by functions of its state, stored at each change."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import streamlit as st

from app.workspace.components import access, editor, url
from app.workspace.components.working import Working
from core.clock import new_id
from core.errors import PromptstoneError
from prompts import scenes, service
from prompts.scene import Column, SceneState
from prompts.scenes import SceneConflictError, StoredScene

_DRAWN = "scene_drawn"
Change = Callable[[SceneState], SceneState]


@dataclass
class SceneCopy:
    """`mine` is what this tab holds; it differs from `stored` only while `newer` is in its way.

    `face` and `loads` name the fields: they change when a text comes from elsewhere than from them.
    """

    stored: StoredScene
    mine: SceneState
    newer: StoredScene | None = None
    face: str = field(default_factory=new_id)
    loads: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def is_own(self) -> bool:
        return self.stored.owner == access.actor()

    def change(self, how: Change) -> None:
        """Change the state and store it; what cannot be stored is kept in this tab and told."""
        editor.take()
        state = how(self.mine)
        if state == self.mine:
            return
        self.mine = state
        if self.newer is not None:
            return
        try:
            with access.writing() as session:
                saved = scenes.save(session, self.stored.id, state, revision=self.stored.revision)
        except PromptstoneError as error:
            self.failed(error)
            return
        self.saved(saved)

    def saved(self, stored: StoredScene) -> None:
        """The state stands as `stored`, which is another scene when it was somebody else's."""
        if stored.id != self.stored.id:
            st.session_state.pop(_key(self.stored.id), None)
            st.session_state[_key(stored.id)] = self
            url.replace(scene=stored.id)
        self.stored, self.mine, self.newer = stored, stored.state, None

    def failed(self, error: PromptstoneError) -> None:
        """Tell why something was not stored."""
        if isinstance(error, SceneConflictError):
            self.newer = error.newer
        else:
            access.refuse(error)

    def take(self, stored: StoredScene) -> None:
        """Show what stands elsewhere, in fresh fields."""
        editor.take()
        self.stored, self.mine, self.newer = stored, stored.state, None
        self.face = new_id()

    def keep_mine(self) -> None:
        """Store this tab's state as a scene of its own."""
        editor.take()
        made = access.act(
            lambda session: scenes.create(session, self.mine, copied_from=self.stored.id)
        )
        if made is not None:
            self.saved(made)

    def key(self, column: Column) -> str:
        """What the fields of a column's text and settings are named by."""
        return f"{self.face}_{column.id}_{self.loads.get(column.id, 0)}"

    def load(self, column_id: str, **changes: Any) -> None:
        """Give a column another text, in fresh fields."""
        editor.take()
        self.loads[column_id] = self.loads.get(column_id, 0) + 1
        self.change(lambda state: state.with_column(column_id, **changes))


def drawn() -> None:
    """The page as a whole was drawn for this address; called by its script."""
    st.session_state[_DRAWN] = st.query_params.to_dict()


def is_elsewhere() -> bool:
    """Whether the address has moved since, so that a fragment alone must not be drawn."""
    return st.session_state.get(_DRAWN) != st.query_params.to_dict()


def chosen() -> str | None:
    """The scene that the address names."""
    return url.get("scene") or url.get("id")


def here() -> SceneCopy:
    """The scene of the address, as it stands now; raises NotFound."""
    scene_id = chosen() or ""
    with access.reading() as session:
        stored = scenes.get(session, scene_id)
    found = st.session_state.get(_key(scene_id))
    if not isinstance(found, SceneCopy):
        found = st.session_state[_key(scene_id)] = SceneCopy(stored, stored.state)
    elif found.newer is None and found.stored.revision != stored.revision:
        found.take(stored)
    return found


def _key(scene_id: str) -> str:
    return f"scene_{scene_id}"


class ColumnText(Working):
    """A column's prompt as the fields of prompts edit it; what changes goes to the scene."""

    copy: SceneCopy
    column_id: str

    def keep(self) -> None:
        content = deepcopy(self.content)
        changed = self._is_changed()
        self.copy.change(
            lambda state: state.with_column(self.column_id, content=content, changed=changed)
        )

    def keep_try(self) -> None:
        """Values are the scene's, not the column's."""

    def add(self) -> None:
        self._in_fresh_fields(super().add)

    def remove(self, place: int) -> None:
        self._in_fresh_fields(partial(super().remove, place))

    def move(self, place: int, by: int) -> None:
        self._in_fresh_fields(partial(super().move, place, by))

    def _in_fresh_fields(self, act: Callable[[], None]) -> None:
        """Fields go by the place of their message, so they are made anew when places change."""
        self.copy.loads[self.column_id] = self.copy.loads.get(self.column_id, 0) + 1
        act()

    def _is_changed(self) -> bool:
        if self.based_on == 0:
            return True
        with access.reading() as session:
            version = service.get(session, self.prompt or "", self.based_on)
        return self.content != version.content.model_dump(mode="json")

    prompt: str | None = None


def text_of(copy: SceneCopy, column: Column) -> ColumnText:
    """The text of a column, ready to be edited."""
    held = column.model_dump(mode="json")["content"]
    text = ColumnText(copy.key(column), column.version or 0, held)
    text.copy, text.column_id, text.prompt = copy, column.id, column.prompt
    text.ids = list(range(len(text.messages)))
    text.is_draft = column.changed
    return text


def leave_for(state: SceneState) -> None:
    """In a callback: make a scene and leave for it."""
    made = access.act(lambda session: scenes.create(session, state))
    if made is not None:
        url.leave("playground", scene=made.id)
