"""Ways into a scene: a new one, and those that other pages lead to."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from app.workspace.components import access, choices, editor, url
from app.workspace.components.base_passages import INTO
from app.workspace.components.scene_copy import leave_for
from app.workspace.components.working import Working
from connectors.service import get_model
from core.drafts import recent
from core.errors import NotFound
from prompts import scenes, service
from prompts.content import MessageTemplate, PromptContent
from prompts.models import PromptPublic, Scene
from prompts.scene import Column, SceneState, column, of_columns
from rag.answer import Retrieval
from rag.models import KnowledgeBase
from rag.search_settings import SearchSettings

_PRODUCTION = "production"


def row(scene: Scene) -> dict[str, Any]:
    """A scene in the list of one's own."""
    state = SceneState.model_validate(scene.state)
    title = "" if state.hidden else state.title
    return {
        "id": scene.id,
        "title": title or scene.id,
        "columns": len(state.columns),
        "when": scene.updated_at,
    }


def new() -> None:
    """A scene with one column: the prompt that was touched last, on the model that is meant."""

    def make(session: Session) -> str:
        first = _first(session)
        return scenes.create(session, of_columns([first])).id

    made = access.act(make)
    if made is not None:
        url.replace(scene=made)


def _first(session: Session) -> Column:
    touched = (one.ref for one in recent(session, access.actor(), 50) if one.kind == "prompt")
    listed = (one.name for one in service.list_prompts(session, limit=1))
    name = next(touched, None) or next(listed, None)
    model = choices.default_model(session)
    if name is not None:
        try:
            version = service.get(session, name)
        except NotFound:
            version = None
        if version is not None:
            return of_version(version, version.content.model or model)
    empty = PromptContent(messages=(MessageTemplate(role="user", content=""),))
    return column(empty, model=model, changed=True)


def remove(scene_id: str) -> None:
    """Forget a scene and go back to the list."""
    if access.act(lambda session: (scenes.remove(session, scene_id), True)):
        url.replace()


def of_version(
    version: PromptPublic, model: str | None, options: Mapping[str, Any] | None = None
) -> Column:
    """A column of a stored version; `options` that are not the version's make it unsaved text."""
    content = version.content
    changed = options is not None and dict(options) != content.options
    if changed:
        content = content.model_copy(update={"options": dict(options or {})})
    return column(
        content, prompt=version.name, version=version.version, model=model, changed=changed
    )


def as_asked(
    session: Session, version: PromptPublic, model: str | None, params: Mapping[str, Any]
) -> Column:
    """A column that sends `params`, whether the version or the model brings them along."""
    known = {} if model is None else _params(session, model)
    own = version.content.options
    options = {k: v for k, v in params.items() if k in own or known.get(k) != v}
    return of_version(version, model, options)


def reading(session: Session, one: Column, retrieval: Retrieval | None) -> Column:
    """The column with the base that an arm or an app reads from, as it is today.

    It stays without one where the base is gone, or the passages stand in another variable.
    """
    if retrieval is None or retrieval.into != INTO:
        return one
    base = session.get(KnowledgeBase, retrieval.base_id)
    if base is None:
        return one
    own = SearchSettings(**base.retrieval).model_dump(mode="json")
    asked = retrieval.settings.model_dump(mode="json")
    search = {name: value for name, value in asked.items() if value != own[name]}
    return one.model_copy(update={"kb": base.name, "search": search})


def _params(session: Session, model: str) -> Mapping[str, Any]:
    try:
        return get_model(session, model).settings.params
    except NotFound:
        return {}


def open_columns(columns: Sequence[Column], values: Mapping[str, Any]) -> None:
    """In a callback: leave for a scene of these columns."""
    leave_for(of_columns(list(columns), dict(values)))


def compare_with_production(copy: Working, model: str) -> None:
    """In a callback: what is typed, beside what is in production or else its version before."""
    editor.take()

    def read(session: Session) -> PromptPublic:
        try:
            return service.get(session, copy.name, _PRODUCTION)
        except NotFound:
            return service.get(session, copy.name, max(copy.based_on - 1, 1))

    rival = access.act(read)
    base = access.act(lambda session: service.get(session, copy.name, copy.based_on))
    if rival is None or base is None:
        return
    changed = copy.content != base.content.model_dump(mode="json")
    mine = of_version(base, model).model_copy(update={"content": copy.content, "changed": changed})
    values = {name: value for name, value in copy.values.items() if value is not None}
    columns = [of_version(rival, model), mine]
    open_columns([one.model_copy(update={"kb": copy.kb}) for one in columns], values)
