"""The models of a run as they are now: address frozen, but key, limits and time-out read live."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlmodel import Session

from connectors.connections import Connections
from connectors.limits import Limits
from connectors.models import Model, ModelSettings
from connectors.service import limits_of, target_of
from connectors.wire import Target
from core.database import Database
from core.errors import Invalid, PromptstoneError
from evalsets.runs.lanes import Lane
from evalsets.runs.manifest import FrozenModel, Manifest
from evalsets.runs.worker_note import heard_elsewhere, live_worker


class Door(NamedTuple):
    """How a model may be asked now; `refused` is why it cannot be asked at all."""

    limits: Limits
    target: Target
    refused: str | None = None


def read_door(
    session: Session, database: Database, model: FrozenModel, concurrency: int | None
) -> Door:
    """The model's row of now under what the run froze; a removed row leaves the frozen one."""
    limits = limits_of(_live(session, model))
    if concurrency is not None:
        limits = Limits(concurrency, limits.rpm, limits.tpm)
    path = database.settings.key_path
    try:
        return Door(limits, target_of(session, model.name, path, frozen=model.settings))
    except PromptstoneError as error:
        return Door(limits, model.target, error.message)


def _live(session: Session, model: FrozenModel) -> ModelSettings:
    row = session.get(Model, model.name)
    return model.settings if row is None else ModelSettings.model_validate(row.settings)


def check_keys(session: Session, data: Path, manifest: Manifest, *, here: bool) -> None:
    """Refuse a start whose keys are not set in the process that will run it, if one is known.

    That is the data folder's worker, or this process (`here`) where none lives anywhere.
    """
    worker = live_worker(data)
    if worker is None and (not here or heard_elsewhere(session, data)):
        return
    known = os.environ if worker is None else _environment(worker.pid)
    if known is None:
        return
    who = (
        f"this process (pid {os.getpid()})" if worker is None else f"the worker (pid {worker.pid})"
    )
    for model in models_of(manifest):
        variable = _live(session, model).api_key_env
        if variable and not known.get(variable, "").strip():
            raise Invalid(
                f"The key of the model {model.name} is read from {variable}, which is not set in "
                f"{who}. Set it there and start again.",
                param="api_key_env",
            )


def _environment(pid: int) -> Mapping[str, str] | None:
    """What a process was started with; None where the system does not tell."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    pairs = (entry.partition("=") for entry in raw.decode(errors="replace").split("\0"))
    return {name: value for name, _, value in pairs}


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
