"""From a draft to a release: references resolved, templates looked at, everything frozen.

`read` needs a session, `fitted_manifest` a renderer and no session, `store` a session again: no
template is compiled inside a transaction.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from connectors.parameters import refusal_of
from core.audit import actor_of
from core.errors import Conflict, Invalid
from core.names import split_ref
from evalsets.runs.grounding import FrozenBase, freeze_bases, search_settings
from evalsets.runs.manifest import FrozenPrompt, find_model
from prompts import service as prompts
from prompts.about import kept_text
from prompts.content import PromptContent
from prompts.outcome import VariableReport
from prompts.template import renderer
from rag.answer import Retrieval, fitted, query_variable, variables_of
from serving.lookup import need_app, touch_serving
from serving.manifest import FrozenDoor, ReleaseManifest
from serving.models import App, AppRelease
from serving.settings import AppKind, AppSettings


class Draft(NamedTuple):
    """An app's draft with its references resolved, its templates not yet looked at."""

    settings: AppSettings
    prompt: FrozenPrompt
    doors: tuple[FrozenDoor, ...]
    base: FrozenBase | None


class Released(NamedTuple):
    """The release that a draft ended at, and whether it is a new one."""

    app: str
    number: int
    hash: str
    created: bool


def read(session: Session, settings: AppSettings) -> Draft:
    """Resolve what the draft names as it stands now; raises NotFound or Invalid."""
    found = prompts.get(session, *split_ref(settings.prompt))
    prompt = FrozenPrompt(
        name=found.name, version=found.version, hash=found.hash, content=found.content
    )
    names = dict.fromkeys((settings.model, *settings.fallbacks))
    doors = tuple(_door(session, name, prompt.content, settings.params) for name in names)
    base = None
    if settings.knowledge is not None:
        (base,) = freeze_bases(session, [settings.knowledge.kb])
    return Draft(settings, prompt, doors, base)


def _door(
    session: Session, name: str, content: PromptContent, params: Mapping[str, Any]
) -> FrozenDoor:
    model = find_model(session, name)
    sent = {**model.settings.params, **content.options, **params}
    sent = {key: value for key, value in sent.items() if value is not None}
    why = refusal_of(model.settings.kind, sent)
    if why is not None:
        raise Invalid(f"{name}: {why}", param="param")
    return FrozenDoor(model=model, params=sent)


def kind_of(content: PromptContent, report: VariableReport, *, reads_base: bool) -> AppKind:
    """What kind of app a prompt makes by itself.

    Client's messages have a place in a thread, or after a prompt that says nothing as the user or
    has no variables; an app of variables alone is a completion.
    """
    if reads_base:
        return "rag"
    if content.threads or not any(message.role == "user" for message in content.messages):
        return "chat"
    return "completion" if variables_of(content, report) else "chat"


def fitted_manifest(draft: Draft) -> ReleaseManifest:
    """The manifest of a draft; compiles its templates, so it stays outside of transactions."""
    content, settings = draft.prompt.content, draft.settings
    report = renderer().variables_of(content)
    retrieval = _retrieval(draft, report)
    if (settings.kind == "rag") != (retrieval is not None):
        raise Invalid(
            "An app of kind rag reads from a knowledge base, and only such a one does. Set the "
            "kind and the base together.",
            param="kind",
        )
    if settings.history == "server" and settings.kind == "completion":
        raise Invalid("A completion has no turns to keep. Let the history be client.")
    return ReleaseManifest(
        kind=settings.kind,
        prompt=draft.prompt,
        models=draft.doors,
        retrieval=retrieval,
        history=settings.history,
        guards=settings.guards,
        pinned=settings.pinned,
        repair=settings.repair,
    )


def _retrieval(draft: Draft, report: VariableReport) -> Retrieval | None:
    use, base = draft.settings.knowledge, draft.base
    if use is None or base is None:
        return None
    content = draft.prompt.content
    taken = fitted(content, report, use.context, use.query)
    if taken is None:
        query_variable(variables_of(content, report), use.context)  # says what is missing
        raise AssertionError("a prompt that takes no passages was not refused")
    return Retrieval(
        kb=base.kb,
        base_id=base.base_id,
        snapshot=base.snapshot,
        settings=search_settings(base, use.settings),
        **taken._asdict(),
    )


def store(
    session: Session,
    name: str,
    manifest: ReleaseManifest,
    *,
    message: str = "",
    imported_from: str | None = None,
) -> Released:
    """Make a release unless the newest has this hash."""
    app = need_app(session, name, lock=True)
    digest = manifest.hash()
    newest = session.exec(
        select(AppRelease).where(AppRelease.app_id == app.id, AppRelease.number == app.newest)
    ).first()
    if newest is not None and newest.hash == digest:
        return Released(app.name, newest.number, digest, created=False)
    app.newest += 1
    session.add(app)
    session.add(
        AppRelease(
            app_id=app.id,
            number=app.newest,
            hash=digest,
            manifest=manifest.model_dump(mode="json"),
            message=kept_text(message, "message"),
            imported_from=imported_from,
            actor=actor_of(session),
        )
    )
    touch_serving(session)
    session.flush()
    return Released(app.name, app.newest, digest, created=True)


def releases(
    session: Session, app: App, *, before: int | None = None, limit: int = 50
) -> list[AppRelease]:
    """Releases of an app, newest first, from below number `before`."""
    query = select(AppRelease).where(AppRelease.app_id == app.id)
    if before is not None:
        query = query.where(AppRelease.number < before)
    return list(session.exec(query.order_by(col(AppRelease.number).desc()).limit(limit)))


def refuse_unreleased(app: App) -> None:
    """Raise Conflict for an app that has no release yet."""
    if not app.newest:
        raise Conflict(
            f"{app.name} has no release yet. Make one with `promptstone app release {app.name}`."
        )
