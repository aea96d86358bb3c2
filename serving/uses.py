"""Which apps use a prompt, a model or a knowledge base: in their drafts, and in what is live."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from sqlmodel import Session, col, select

from core.names import split_ref
from serving.models import App, AppAlias, AppRelease

Part = Literal["prompt", "model", "base"]


class AppUse(NamedTuple):
    """An app that uses something; `live` are the aliases whose release, or canary, does."""

    app: str
    draft: bool
    live: tuple[str, ...]


def apps_using(session: Session, part: Part, name: str) -> list[AppUse]:
    """Apps by name; `name` is that of the prompt, of the model or of the base."""
    live: dict[str, set[str]] = {}
    for alias in session.exec(select(AppAlias).order_by(col(AppAlias.name))):
        for number in (alias.release, alias.canary):
            if number is not None and name in _released(session, alias.app_id, number, part):
                live.setdefault(alias.app_id, set()).add(alias.name)
    found = (
        AppUse(app.name, name in _drafted(app.settings, part), tuple(sorted(live.get(app.id, ()))))
        for app in session.exec(select(App).order_by(col(App.name)))
    )
    return [use for use in found if use.draft or use.live]


def _released(session: Session, app_id: str, number: int, part: Part) -> set[str | None]:
    """The parts of a release: read from its manifest as JSON, which may be large."""
    query = select(AppRelease.manifest).where(
        AppRelease.app_id == app_id, AppRelease.number == number
    )
    manifest: Mapping[str, Any] = session.exec(query).first() or {}
    match part:
        case "prompt":
            return {manifest["prompt"]["name"]} if manifest else set()
        case "model":
            return {door["model"]["name"] for door in manifest.get("models", ())}
        case "base":
            return {(manifest.get("retrieval") or {}).get("kb")}


def _drafted(settings: Mapping[str, Any], part: Part) -> set[str | None]:
    match part:
        case "prompt":
            return {split_ref(settings["prompt"])[0]}
        case "model":
            return {settings["model"], *settings.get("fallbacks", ())}
        case "base":
            return {(settings.get("knowledge") or {}).get("kb")}
