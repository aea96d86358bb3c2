"""Models in the database: add or replace, list, remove, and what a call of one needs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session, col, select

from connectors.access import allow, host_of, is_allowed, key_of_model, secret_id_of
from connectors.address import parse_address
from connectors.limits import Limits
from connectors.models import Model, ModelSettings, TestResult
from connectors.parameters import refusal_of
from connectors.prices import Price, cost, price_of
from connectors.tokens import count_messages
from connectors.wire import Message, Target, Usage
from core import drafts
from core.audit import actor_of, record
from core.canonical import Json
from core.clock import utcnow
from core.errors import Conflict, Invalid, NotFound
from core.names import check_name
from core.secrets import remove_secret

OPENAI_URL = "https://api.openai.com/v1"
BUILTIN = {
    "demo": ModelSettings(
        kind="demo", model="SmolLM2-135M-Instruct", concurrency=4, params={"max_tokens": 256}
    ),
    "echo": ModelSettings(kind="echo", model="echo", concurrency=32),
}


class ModelPublic(BaseModel):
    """A model as pages and commands show it; `price` None is unpriced. It holds no key."""

    model_config = ConfigDict(frozen=True)

    name: str
    settings: ModelSettings
    price: Price | None
    builtin: bool
    last_test: TestResult | None
    actor: str
    created_at: datetime
    updated_at: datetime


class Estimate(NamedTuple):
    """What a call will take; `cost` in US dollars, None when the model is unpriced."""

    input_tokens: int
    output_tokens: int
    cost: Decimal | None


def ensure_builtin(session: Session) -> None:
    """`demo` and `echo` exist from the first start."""
    for name, settings in BUILTIN.items():
        if session.get(Model, name) is None:
            stored = settings.model_dump(mode="json")
            session.add(Model(name=name, settings=stored, actor=actor_of(session)))
    session.flush()


def add_model(
    session: Session,
    name: str,
    settings: ModelSettings,
    *,
    key: str | None = None,
    key_path: Path | None = None,
    allow_local: bool = False,
) -> ModelPublic:
    """Add a model, or replace the settings of a known one.

    `key` is sealed (with the key file `key_path`) and bound to the address; a stored one stays as
    long as the address does. `allow_local` puts the address on the allowlist: pass what
    `address.leads_to_local` says, and only for who may decide that. Raises Invalid or Conflict.
    """
    name = check_name(name, "model")
    row = session.get(Model, name)
    settings = _complete(name, settings)
    old = ModelSettings.model_validate(row.settings) if row else None
    if settings.base_url is not None:
        allow(session, settings.base_url, allow_local=allow_local)
    secret_id = secret_id_of(session, settings, old, key, key_path)
    settings = settings.model_copy(update={"secret_id": secret_id})
    if row is None:
        row = Model(name=name, settings={}, actor=actor_of(session))
    elif settings == old:
        return _public(row)
    row.settings = settings.model_dump(mode="json")
    row.last_test = None
    row.actor = actor_of(session)
    row.updated_at = utcnow()
    session.add(row)
    session.flush()
    drafts.touch(session, "model", name, name)
    record(session, "model.save", name, {"origin": host_of(settings), "model": settings.model})
    return _public(row)


def get_model(session: Session, name: str) -> ModelPublic:
    """One model; raises NotFound."""
    return _public(_row(session, name))


def list_models(session: Session) -> list[ModelPublic]:
    """All models by name."""
    return [_public(row) for row in session.exec(select(Model).order_by(col(Model.name)))]


def remove_model(session: Session, name: str) -> None:
    """Forget a model and its stored key; runs keep what they froze. Raises NotFound, Conflict."""
    row = _row(session, name)
    if name in BUILTIN:
        raise Conflict(f"The model {name} comes with Promptstone. Remove a model that you added.")
    settings = ModelSettings.model_validate(row.settings)
    if settings.secret_id:
        remove_secret(session, settings.secret_id)
    session.delete(row)
    drafts.forget(session, "model", name)
    record(session, "model.remove", name, {"origin": host_of(settings)})


def record_test(session: Session, name: str, result: TestResult) -> None:
    """Keep the result of the last test beside the model."""
    row = _row(session, name)
    row.last_test = result.model_dump(mode="json")
    session.add(row)
    session.flush()


def target_of(
    session: Session, name: str, key_path: Path, *, frozen: ModelSettings | None = None
) -> Target:
    """What a call needs, with the key. `frozen` is what a run started with.

    Address, id and provider come from `frozen`; time-out and key are read live. Raises Invalid,
    naming the variable, when the key's environment variable is unset in this process.
    """
    row = session.get(Model, name)
    if row is None and frozen is None:
        raise _unknown(name)
    live = ModelSettings.model_validate(row.settings) if row else frozen
    assert live is not None
    sent = frozen or live
    return Target(
        name=name,
        kind=sent.kind,
        model_id=sent.model,
        base_url=sent.base_url or "",
        provider=sent.provider or sent.backend or "",
        api_key=key_of_model(session, name, sent, live, key_path),
        timeout=live.timeout,
        idle_timeout=min(live.timeout, 60.0),
        structured=sent.structured,
        local_allowed=sent.base_url is not None and is_allowed(session, sent.base_url),
    )


def shown_target(model: ModelPublic) -> Target:
    """The target of a call that is shown and not sent: without its key."""
    sent = model.settings
    return Target(
        name=model.name,
        kind=sent.kind,
        model_id=sent.model,
        base_url=sent.base_url or "",
        provider=sent.provider or sent.backend or "",
        structured=sent.structured,
    )


def limits_of(settings: ModelSettings) -> Limits:
    """The part of the settings that a gate keeps."""
    return Limits(settings.concurrency, settings.rpm, settings.tpm)


def estimate(
    model: ModelPublic, messages: Sequence[Message], params: Mapping[str, Json]
) -> Estimate:
    """Tokens and cost of a call before it is made: the answer counts as `max_tokens`, else 256."""
    given = count_messages(messages, model.settings.model).n
    wanted = {**model.settings.params, **params}
    limit = wanted.get("max_tokens") or wanted.get("max_completion_tokens")
    made = limit if type(limit) is int else 256
    return Estimate(given, made, cost(Usage(given, made), model.price))


def model_json(model: ModelPublic) -> dict[str, Any]:
    """A model of `model list --json`; prices as decimal strings, null when unpriced."""
    price = model.price
    return {
        "name": model.name,
        **model.settings.model_dump(mode="json", exclude={"secret_id"}),
        "has_key": bool(model.settings.api_key_env or model.settings.secret_id),
        "input_price": None if price is None else format(price.input_per_million, "f"),
        "output_price": None if price is None else format(price.output_per_million, "f"),
        "price_source": None if price is None else price.source,
        "price_as_of": None if price is None else price.as_of,
        "builtin": model.builtin,
        "last_test": None if model.last_test is None else model.last_test.model_dump(mode="json"),
    }


def _complete(name: str, settings: ModelSettings) -> ModelSettings:
    """The settings with what their kind implies; raises Invalid for what does not go together."""
    if settings.kind == "app":
        raise Invalid("An app is no model. Put it into a run with --app.", param="kind")
    own = BUILTIN[name].kind if name in BUILTIN else None
    if settings.kind != own and (own is not None or settings.kind in ("demo", "echo")):
        raise Invalid(
            "The names demo and echo belong to the models that come with Promptstone. "
            "Choose another name.",
            param="name",
        )
    why = refusal_of(settings.kind, settings.params)
    if why is not None:
        raise Invalid(why, param="params")
    if (settings.input_price is None) != (settings.output_price is None):
        raise Invalid("One price is missing. Give both input and output price.", param="price")
    if (settings.kind == "backend") != (settings.backend is not None):
        raise Invalid("A model of a backend comes with it. Use `promptstone backend add`.")
    if settings.kind == "langchain" and not settings.provider:
        raise Invalid("The provider is missing. Write it like PROVIDER:MODEL.", param="provider")
    url = settings.base_url or (OPENAI_URL if settings.kind == "openai" else None)
    return settings.model_copy(update={"base_url": parse_address(url).url if url else None})


def _row(session: Session, name: str) -> Model:
    row = session.get(Model, name)
    if row is None:
        raise _unknown(name)
    return row


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no model {name!r}. `promptstone model list` shows them.")


def _public(row: Model) -> ModelPublic:
    settings = ModelSettings.model_validate(row.settings)
    return ModelPublic(
        name=row.name,
        settings=settings,
        price=price_of(settings),
        builtin=row.name in BUILTIN,
        last_test=None if row.last_test is None else TestResult.model_validate(row.last_test),
        actor=row.actor,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
