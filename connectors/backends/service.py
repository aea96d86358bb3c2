"""Backends in the database: add, list, start, stop, remove, and the adapters that they serve."""

from pathlib import Path
from typing import NamedTuple

from sqlmodel import Session, col, select

from connectors import service as models
from connectors.backends.models import Backend, BackendSettings
from connectors.backends.naming import served_adapter, served_model
from connectors.backends.prepare import is_name
from connectors.backends.public import BackendPublic, public
from connectors.models import Model, ModelSettings
from connectors.service import ModelPublic
from core import drafts
from core.audit import actor_of, record
from core.clock import utcnow
from core.errors import Conflict, Invalid, NotFound
from core.names import check_name

_TIMEOUT = 600.0
_PEFT_CALLS = 4
"""Few enough that the last of them is answered within the time-out."""


class Adapter(NamedTuple):
    """An adapter that a backend is to hold: the model's name, and what its server calls it."""

    model: str
    served_name: str


class Served(NamedTuple):
    """An adapter that is asked for, and the model that it became."""

    model: ModelPublic
    served_name: str


def add_backend(
    session: Session,
    name: str,
    settings: BackendSettings,
    *,
    owner: str | None = None,
    allow_local: bool = False,
) -> BackendPublic:
    """Add a backend with a model of its name, or replace the settings of a known one.

    `owner` is the place (`core.jobs.place`) whose worker runs it; the model's files should have
    been looked at before (`prepare.prepare`). Raises Invalid or Conflict.
    """
    name = check_name(name, "backend")
    row = session.get(Backend, name)
    model = session.get(Model, name)
    if model is not None and row is None:
        raise Conflict(f"There is a model {name!r} already. Choose another name.", param="name")
    settings = _complete(settings)
    models.add_model(session, name, _model_of(name, settings), allow_local=allow_local)
    if row is None:
        row = Backend(name=name, settings={}, actor=actor_of(session), owner=owner)
    row.settings = settings.model_dump(mode="json")
    row.updated_at = utcnow()
    row.actor = actor_of(session)
    session.add(row)
    session.flush()
    drafts.touch(session, "backend", name, name)
    record(session, "backend.save", name, {"kind": settings.kind, "source": settings.source})
    return public(row)


def get_backend(session: Session, name: str) -> BackendPublic:
    """One backend; raises NotFound."""
    return public(_row(session, name))


def list_backends(session: Session) -> list[BackendPublic]:
    """All backends by name."""
    return [public(row) for row in session.exec(select(Backend).order_by(col(Backend.name)))]


def start_backend(session: Session, name: str) -> BackendPublic:
    """Ask for it to run; its watcher starts it when there is room. Raises NotFound, Conflict."""
    row = _ours(session, name)
    row.wanted, row.asked_at, row.reason = "running", utcnow(), None
    if row.state in ("stopped", "failed"):
        row.state = "queued"
        row.seen_at = utcnow()
    return _saved(session, row, "backend.start")


def stop_backend(session: Session, name: str) -> BackendPublic:
    """Ask for it to end. Raises NotFound, Conflict."""
    row = _ours(session, name)
    row.wanted, row.asked_at = "stopped", None
    return _saved(session, row, "backend.stop")


def remove_backend(session: Session, name: str) -> None:
    """Forget a backend with its models; its watcher ends what runs. Raises NotFound."""
    row = _row(session, name)
    for one in _models_on(session, name):
        models.remove_model(session, one.name)
    session.delete(row)
    drafts.forget(session, "backend", name)
    record(session, "backend.remove", name, {})


def serve_adapter(session: Session, backend: str, adapter: str, path: str | Path) -> Served:
    """Have a backend load an adapter, as a model of the adapter's name; its watcher loads it.

    `path` is the folder of the adapter, below the data folder's `tuning`, which is checked again
    before it is loaded. Raises NotFound, Invalid, Conflict.
    """
    row = _row(session, backend)
    settings = BackendSettings.model_validate(row.settings)
    if settings.kind != "vllm" or not settings.lora or settings.base_url is not None:
        raise Conflict(
            f"The backend {backend} serves no adapters. Add one of vLLM with --lora, or merge the "
            "adapter into its base.",
            param="backend",
        )
    served = served_adapter(adapter, path)
    if served not in row.asked_adapters and len(row.asked_adapters) >= settings.max_adapters:
        raise Conflict(
            f"The backend {backend} holds {settings.max_adapters} adapters already. Remove one, or "
            "raise max_adapters.",
            param="backend",
        )
    known = session.get(Model, adapter)
    if known is not None and ModelSettings.model_validate(known.settings).backend != backend:
        raise Conflict(f"There is a model {adapter!r} already. Choose another name.", param="name")
    made = models.add_model(session, adapter, _through(backend, served, settings))
    row.asked_adapters = {**row.asked_adapters, served: str(path)}
    _saved(session, row, "backend.adapter")
    return Served(made, served)


def adapters_of(session: Session, backend: str) -> list[Adapter]:
    """The adapters that a backend is to hold, by name. Raises NotFound."""
    asked = _row(session, backend).asked_adapters
    rows = _models_on(session, backend)
    known = (Adapter(row.name, str(row.settings["model"])) for row in rows)
    return sorted(one for one in known if one.served_name in asked)


def remove_adapter(session: Session, backend: str, adapter: str) -> None:
    """Unload an adapter, and forget its model. Raises NotFound."""
    row = _row(session, backend)
    model = models.get_model(session, adapter)
    if model.settings.backend != backend or adapter == backend:
        raise NotFound(f"The backend {backend} serves no adapter {adapter!r}. Look at its page.")
    left = dict(row.asked_adapters)
    left.pop(model.settings.model, None)
    row.asked_adapters = left
    models.remove_model(session, adapter)
    _saved(session, row, "backend.adapter_removed")


def _complete(settings: BackendSettings) -> BackendSettings:
    if settings.base_url is not None:
        return settings
    if settings.lora and settings.kind != "vllm":
        raise Invalid(
            f"{settings.kind} serves no adapters beside its model. Use --kind vllm.", param="lora"
        )
    if settings.adapter is not None and settings.kind != "peft":
        raise Invalid(
            "Only a backend of the kind peft has an adapter in its settings. Publish the adapter "
            "from its tuning job.",
            param="adapter",
        )
    if settings.kind == "vllm" and is_name(settings.source):
        return settings
    return settings.model_copy(
        update={"source": str(Path(settings.source).expanduser().absolute())}
    )


def _model_of(name: str, settings: BackendSettings) -> ModelSettings:
    if settings.base_url is None:
        return _through(name, served_model(settings), settings)
    return ModelSettings(
        kind="openai", base_url=settings.base_url, model=settings.source,
        api_key_env=settings.api_key_env, params=settings.params,
        concurrency=settings.concurrency,
    )  # fmt: skip


def _through(backend: str, served: str, settings: BackendSettings) -> ModelSettings:
    # A PEFT worker answers one at a time, and knows no schemas.
    one = settings.kind == "peft"
    return ModelSettings(
        kind="backend", backend=backend, model=served, params=settings.params,
        concurrency=min(settings.concurrency, _PEFT_CALLS) if one else settings.concurrency,
        timeout=_TIMEOUT, structured="prompt" if one else "native",
    )  # fmt: skip


def _models_on(session: Session, backend: str) -> list[Model]:
    rows = session.exec(select(Model))
    return [
        row for row in rows
        if row.name == backend or ModelSettings.model_validate(row.settings).backend == backend
    ]  # fmt: skip


def _ours(session: Session, name: str) -> Backend:
    row = _row(session, name)
    if BackendSettings.model_validate(row.settings).base_url is not None:
        raise Conflict(f"The backend {name} is run elsewhere. Start and stop it there.")
    return row


def _saved(session: Session, row: Backend, what: str) -> BackendPublic:
    row.updated_at = utcnow()
    session.add(row)
    session.flush()
    record(session, what, row.name, {})
    return public(row)


def _row(session: Session, name: str) -> Backend:
    row = session.get(Backend, name)
    if row is None:
        raise NotFound(f"There is no backend {name!r}. `promptstone backend list` shows them.")
    return row
