"""The models of a run as they are now: address frozen, but key, limits and time-out read live."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session

from connectors.address import parse_address
from connectors.connections import Connections
from connectors.limits import Limits
from connectors.models import LocalAddress, Model, ModelSettings
from connectors.wire import Target
from core.database import Database
from core.errors import PromptstoneError
from evalsets.lanes import Lane
from evalsets.manifest import FrozenModel, Manifest


class Door(NamedTuple):
    """How a model may be asked now; `refused` is why it cannot be asked at all."""

    limits: Limits
    target: Target
    refused: str | None = None


def read_door(
    session: Session, database: Database, model: FrozenModel, concurrency: int | None
) -> Door:
    """The model's row of now under what the run froze; a removed row leaves the frozen one."""
    live = live_settings(session, model.name) or model.settings
    limits = Limits(concurrency or live.concurrency, live.rpm, live.tpm)
    now = model.settings.model_copy(
        update={
            "api_key_env": live.api_key_env,
            "secret_id": live.secret_id,
            "timeout": live.timeout,
        }
    )
    try:
        return Door(limits, target_of(session, model.name, now, database.settings.key_path))
    except PromptstoneError as error:
        return Door(limits, model.target, error.message)


def live_settings(session: Session, name: str) -> ModelSettings | None:
    row = session.get(Model, name)
    return None if row is None else ModelSettings.model_validate(row.settings)


def target_of(session: Session, name: str, s: ModelSettings, key_path) -> Target:
    import os

    key = os.environ.get(s.api_key_env) if s.api_key_env else None
    allowed = False
    if s.kind == "openai":
        a = parse_address(s.base_url or "")
        allowed = session.get(LocalAddress, (a.host, a.port)) is not None
    return Target(
        name,
        s.kind,
        s.model,
        s.base_url or "",
        s.provider or "",
        key,
        s.timeout,
        structured=s.structured,
        local_allowed=allowed,
    )


def models_of(manifest: Manifest) -> list[FrozenModel]:
    """Every model that the run asks, arms' before judges'."""
    models = [arm.model for arm in manifest.arms if arm.model is not None]
    models += [one.judge.model for one in manifest.judges if one.judge is not None]
    return list({model.name: model for model in models}.values())


def read_doors(database: Database, manifest: Manifest, models: Sequence[FrozenModel]) -> list[Door]:
    """`read_door` of several models."""
    with database.read_scope() as session:
        return [read_door(session, database, model, manifest.concurrency) for model in models]


def open_lane(connections: Connections, manifest: Manifest, model: FrozenModel, door: Door) -> Lane:
    """A lane through the model's one gate of this process; a run starts with closed circuits."""
    gate = connections.gate(gate_name(model, manifest.concurrency), door.limits)
    gate.close_circuit()
    arms = enumerate(manifest.arms)
    judges = enumerate(manifest.judges)
    return Lane(
        model=model,
        gate=gate,
        target=door.target,
        ask=connections.connector(door.target).chat,
        arms=tuple(at for at, arm in arms if arm.model and arm.model.name == model.name),
        judges=tuple(at for at, one in judges if one.judge and one.judge.model.name == model.name),
        closed=door.refused,
    )


def gate_name(model: FrozenModel, concurrency: int | None) -> str:
    """A run with a concurrency of its own has a gate of its own."""
    return model.name if concurrency is None else f"{model.name} × {concurrency}"


def renew_lane(connections: Connections, manifest: Manifest, lane: Lane, door: Door) -> None:
    """Take over changed limits, time-out and key while the run goes on."""
    connections.gate(gate_name(lane.model, manifest.concurrency), door.limits)
    if door.refused is None and door.target != lane.target:
        lane.target = door.target
        lane.ask = connections.connector(door.target).chat
