"""What is known of a backend before it is started: its files checked, its memory planned."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from connectors.backends import environment, launch, launch_llama, launch_peft, launch_vllm
from connectors.backends.environment import Installation
from connectors.backends.estimate import GIB, Parts
from connectors.backends.formats import Checked, CheckTemplate, check_adapter, check_model
from connectors.backends.gpus import CPU, Place
from connectors.backends.launch import Plan, Start
from connectors.backends.models import BackendSettings
from connectors.backends.queue import Ask
from core.errors import Invalid, Unavailable

FindTrainer = Callable[[Path], Path]
"""The Python that trains, of a data folder. Raises Unavailable."""


class Prepared(NamedTuple):
    """Ready to be put somewhere; `python` is vLLM's, `trainer` the one that has PEFT."""

    settings: BackendSettings
    planned: Plan
    python: Installation | None = None
    trainer: Path | None = None

    def ask(self, name: str, since: datetime) -> Ask:
        """Its turn in the queue."""
        return Ask(name, self.planned.need, since, self.planned.on_gpu, self.settings.gpu)


def is_name(source: str) -> bool:
    """Whether a source is `ORGANISATION/MODEL` of a hub, and nothing that lies here."""
    parts = source.split("/")
    return (
        len(parts) == 2
        and all(parts)
        and not source.startswith((".", "~", "/"))
        and not (Path(source).exists())
    )


def prepare(
    settings: BackendSettings,
    data: Path,
    places: list[Place],
    check: CheckTemplate | None = None,
    trainer: FindTrainer | None = None,
) -> Prepared:
    """Check the model's files and plan its memory. Raises Invalid or Unavailable."""
    if settings.kind == "vllm":
        python = environment.find(data)
        return Prepared(settings, estimate_of(settings, places, python.device, check), python)
    if settings.kind == "llamacpp":
        return Prepared(settings, estimate_of(settings, places, "cpu", check))
    if trainer is None:
        raise Unavailable("Nobody here knows the trainer. Start `promptstone up`.")
    if settings.adapter is not None:
        check_adapter(Path(settings.adapter), data / "tuning")
    planned = estimate_of(settings, places, check=check)
    return Prepared(settings, planned, trainer=trainer(data))


def estimate_of(
    settings: BackendSettings,
    places: list[Place],
    device: str | None = None,
    check: CheckTemplate | None = None,
) -> Plan:
    """The memory that a start would take, whether its server is installed or not. Raises Invalid.

    `device` is gpu or cpu; where it is left open, a GPU if there is one.
    """
    on = device or ("gpu" if any(place.id != CPU for place in places) else "cpu")
    if settings.kind == "vllm" and is_name(settings.source):
        return _by_name(settings, on)
    checked = check_model(Path(settings.source), check)
    _check_form(settings, checked)
    return launch.plan(settings, checked.config, checked.weight_bytes, on, places)


def start_of(prepared: Prepared, place: Place, model: str, folder: Path, mark: str) -> Start:
    """The server to start on a place."""
    settings, planned = prepared.settings, prepared.planned
    if prepared.python is not None:
        return launch_vllm.vllm(settings, planned, model, folder, mark, prepared.python, place)
    if prepared.trainer is not None:
        return launch_peft.peft(settings, planned, model, folder, mark, prepared.trainer, place)
    return launch_llama.llamacpp(settings, planned, model, folder, mark)


def _by_name(settings: BackendSettings, device: str) -> Plan:
    if settings.gpu_memory is None:
        raise Invalid(
            f"The size of {settings.source[:100]} is not known before it is fetched. Say with "
            "--gpu-memory how many GiB it may take, or give its folder.",
            param="gpu_memory",
        )
    given = int(settings.gpu_memory * GIB)
    parts = Parts(weights=given, unknown=("the model's configuration",))
    return Plan(parts, 0, settings.context or 0, device == "gpu")


def _check_form(settings: BackendSettings, checked: Checked) -> None:
    if settings.kind == "llamacpp" and checked.form != "gguf":
        raise Invalid("llama.cpp serves GGUF files. Give one, or use --kind vllm.", param="source")
    if settings.kind == "vllm" and checked.form != "folder":
        raise Invalid("vLLM serves folders. Use --kind llamacpp for a GGUF file.", param="source")
