"""What the plan drawer offers, and what it proposes before one chooses."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from sqlmodel import Session, col, select

from app.workspace.components import access, url
from app.workspace.components.fitting import fitting
from app.workspace.strings import raw
from connectors.models import Model
from core.drafts import recent
from core.errors import Invalid
from core.names import split_ref
from core.workspace_settings import get_setting
from evalsets.models import Dataset
from prompts import service
from prompts.models import PromptSummary
from serving.service import list_apps

KINDS = (
    *("exact", "contains", "regex", "json_schema", "length", "latency", "cost", "checks", "judge"),
    *("context_recall", "cites", "refused", "faithfulness", "answer_relevance"),
)
NEW_JUDGE = "judge"
"""Asks for its rubric and model before it can be planned; `judge:RUBRIC` is whole already."""


class Choices(NamedTuple):
    """Names to choose from, and those proposed."""

    prompts: Sequence[str]
    models: Sequence[str]
    apps: Sequence[str]
    datasets: Sequence[str]
    evaluators: Sequence[str]
    proposed_prompts: Sequence[str]
    proposed_models: Sequence[str]
    proposed_apps: Sequence[str]
    proposed_dataset: str | None
    budget: float | None


def choices() -> Choices:
    """Everything a run can be made of; the address and what was touched last propose."""
    with access.reading() as session:
        known = service.list_prompts(session, limit=200)
        models = list(session.exec(select(Model.name).order_by(col(Model.name))))
        datasets = _datasets(session)
        saved = get_setting(session, "evaluators", {})
        refs = [ref for prompt in known for ref in _refs(prompt)]
        proposed = _proposed(session, known)
        prompts = list(dict.fromkeys([*proposed, *refs]))
        model = _model(session, proposed)
        budget = get_setting(session, "default_budget")
        apps = [f"{app.name}@{app.newest}" for app in list_apps(session) if app.newest]
    asked = url.get("dataset")
    dataset = asked if asked in datasets else fitting(datasets, proposed)
    wanted = url.get("app")
    if wanted is not None:
        apps = list(dict.fromkeys([wanted, *apps]))
    return Choices(
        prompts,
        models,
        apps,
        datasets,
        [*KINDS, *saved],
        proposed,
        _proposed_models(model, models) if proposed or not wanted else [],
        [wanted] if wanted else [],
        dataset,
        float(budget) if budget else None,
    )


def _datasets(session: Session) -> list[str]:
    query = select(Dataset.name).where(col(Dataset.imported).is_(False), Dataset.newest > 0)
    names = list(session.exec(query.order_by(col(Dataset.updated_at).desc()).limit(200)))
    touched = [row.ref for row in recent(session, access.actor(), 50) if row.kind == "dataset"]
    return sorted(names, key=lambda name: touched.index(name) if name in touched else len(touched))


def _refs(prompt: PromptSummary) -> list[str]:
    numbers = range(prompt.newest, max(prompt.newest - 20, 0), -1)
    return [f"{prompt.name}@{number}" for number in numbers]


def _proposed(session: Session, known: Sequence[PromptSummary]) -> list[str]:
    """The prompt that was open, beside what is in production, or beside its last version."""
    several, asked = url.get("prompts"), url.get("prompt")
    if several is not None:
        return several.split(",")
    if asked is None:
        return []
    name, ref = split_ref(asked)
    version = service.get(session, name, ref)
    prompt = next((one for one in known if one.name == name), None)
    rival = (prompt.aliases if prompt else {}).get("production", version.version - 1)
    numbers = [rival] if rival and rival != version.version else []
    return [f"{name}@{number}" for number in (*numbers, version.version)]


def _model(session: Session, proposed: Sequence[str]) -> str:
    wanted = url.get("model")
    if wanted is None and proposed:
        name, ref = split_ref(proposed[-1])
        wanted = service.get(session, name, ref).content.model
    return wanted or default_model(session)


def default_model(session: Session) -> str:
    """The model that is meant where none is named."""
    return str(get_setting(session, "default_model", "demo"))


def _proposed_models(model: str, models: Sequence[str]) -> list[str]:
    """Those that the address names, or the one that is meant."""
    asked = (url.get("models") or model).split(",")
    return [name for name in models if name in asked]


def saved_evaluators() -> dict[str, dict[str, Any]]:
    """The workspace's own evaluators by name."""
    with access.reading() as session:
        return dict(get_setting(session, "evaluators", {}))


def evaluator(text: str, saved: Mapping[str, dict[str, Any]]) -> dict[str, Any] | str:
    """A saved evaluator, or KIND:ARGUMENT; a page names no file of the server."""
    if text in saved:
        return dict(saved[text])
    kind, _, argument = text.partition(":")
    if kind not in KINDS or (kind == "json_schema" and argument):
        raise Invalid(raw("runs.no_such_evaluator", name=text[:60], kinds=", ".join(KINDS)))
    return text


def missing(adapter: TypeAdapter[object], value: object) -> list[str]:
    """Fields that `value` must have and has not."""
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return [str(one["loc"][-1]) for one in error.errors() if one["type"] == "missing"]
    return []


def is_valid(adapter: TypeAdapter[object], value: object) -> str | None:
    """None, or the first fault of `value`."""
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return f"{where}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")
    return None
