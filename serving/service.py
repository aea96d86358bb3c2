"""Apps in the database: the draft of each, and what is live; the way in for all the rest."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete
from sqlmodel import Session, col, select

from connectors.service import get_model
from core import drafts
from core.audit import actor_of, record
from core.clock import utcnow
from core.errors import Conflict
from core.names import check_name, split_ref
from prompts import service as prompts
from prompts.about import kept_text
from rag import service as bases
from serving.alert_addresses import refuse_addresses
from serving.lookup import aliases, find_app, need_app, touch_serving
from serving.models import (
    AlertState,
    App,
    AppAlias,
    AppAliasMove,
    AppRelease,
    Conversation,
    Feedback,
    Judgement,
    Review,
    Trace,
    TraceContent,
)
from serving.settings import AppSettings, Operations

RECENT = "app"
_OF_APPS = (
    Judgement,
    Trace,
    Feedback,
    Review,
    Conversation,
    AlertState,
    AppAliasMove,
    AppRelease,
)


class AppSummary(NamedTuple):
    """One row of the catalogue; `aliases` maps names to releases."""

    name: str
    kind: str
    description: str
    prompt: str
    model: str
    newest: int
    aliases: dict[str, int]
    author: str
    updated_at: datetime


def create(
    session: Session,
    name: str,
    settings: AppSettings,
    *,
    description: str = "",
    origin: Mapping[str, Any] | None = None,
    loose: bool = False,
) -> App:
    """An app without a release; `origin` is where it came from, such as `{"run", "arm"}`.

    `loose` takes a draft that names what is not here, as that of an imported app does. Raises
    Invalid for a bad name, Conflict for a taken one, NotFound for what settings name in vain.
    """
    name = check_name(name, "app")
    if find_app(session, name) is not None:
        raise Conflict(
            f"There is an app {name!r} already. Choose another name, or change it on its page.",
            param="name",
        )
    if not loose:
        check_references(session, settings)
    app = App(
        name=name,
        description=kept_text(description, "description"),
        settings=settings.model_dump(mode="json"),
        operations=Operations().model_dump(mode="json"),
        origin=None if origin is None else dict(origin),
        actor=actor_of(session),
    )
    session.add(app)
    session.flush()
    drafts.touch(session, RECENT, name, name)
    record(session, "app.create", name, {"prompt": settings.prompt, "model": settings.model})
    return app


def check_references(session: Session, settings: AppSettings) -> None:
    """Raise NotFound or Invalid for a prompt, model or base that a draft names in vain."""
    prompts.get(session, *split_ref(settings.prompt))
    for model in (settings.model, *settings.fallbacks):
        get_model(session, model)
    if settings.knowledge is not None:
        bases.get(session, settings.knowledge.kb)


def settings_of(app: App) -> AppSettings:
    """The draft of an app."""
    return AppSettings.model_validate(app.settings)


def operations_of(app: App) -> Operations:
    """How an app is run and watched."""
    return Operations.model_validate(app.operations)


def save_settings(session: Session, name: str, settings: AppSettings) -> None:
    """Replace the draft; what is released stays as it is."""
    app = need_app(session, name, lock=True)
    check_references(session, settings)
    app.settings = settings.model_dump(mode="json")
    _touched(session, app)


def save_operations(session: Session, name: str, operations: Operations) -> None:
    """Replace logging, retention, judged sample, failed set and alerts; at once, everywhere.

    Raises RefusedAddress for an alert's address in a network that is not allowed.
    """
    refuse_addresses(session, operations)
    app = need_app(session, name, lock=True)
    before, app.operations = app.operations, operations.model_dump(mode="json")
    changed = [key for key, value in app.operations.items() if before.get(key) != value]
    _touched(session, app)
    touch_serving(session)
    record(session, "app.operations", name, {"changed": changed})


def describe(session: Session, name: str, description: str) -> None:
    """What an app is for."""
    app = need_app(session, name, lock=True)
    app.description = kept_text(description, "description")
    _touched(session, app)


def _touched(session: Session, app: App) -> None:
    app.updated_at = utcnow()
    session.add(app)
    session.flush()
    drafts.touch(session, RECENT, app.name, app.name)


def list_apps(session: Session, *, search: str | None = None) -> list[AppSummary]:
    """All apps by name, or those whose name holds `search`."""
    query = select(App).order_by(col(App.name))
    if search:
        query = query.where(col(App.name).contains(search, autoescape=True))
    found = list(session.exec(query))
    pointing: dict[str, dict[str, int]] = {}
    for alias in session.exec(select(AppAlias).order_by(col(AppAlias.name))):
        pointing.setdefault(alias.app_id, {})[alias.name] = alias.release
    return [
        AppSummary(
            app.name,
            app.settings["kind"],
            app.description,
            app.settings["prompt"],
            app.settings["model"],
            app.newest,
            pointing.get(app.id, {}),
            app.actor,
            app.updated_at,
        )
        for app in found
    ]


def delete_app(session: Session, name: str) -> None:
    """Remove an app with its releases, calls and feedback; refused while an alias is live."""
    app = need_app(session, name, lock=True)
    live = [alias.name for alias in aliases(session, app)]
    if live:
        raise Conflict(
            f"{name} is live as {', '.join(live)}. Take its aliases away first.", param="app"
        )
    mine = select(Trace.id).where(Trace.app_id == app.id)
    run = session.connection().execute
    run(delete(TraceContent).where(col(TraceContent.id).in_(mine)))
    for table in _OF_APPS:
        run(delete(table).where(col(table.app_id) == app.id))
    session.delete(app)
    drafts.forget(session, RECENT, name)
    touch_serving(session)
    record(session, "app.delete", name, {"releases": app.newest})
