"""A start of a PEFT worker: a base with one adapter, by the trainer's own Python."""

import secrets
from pathlib import Path

from connectors.backends.gpus import Place
from connectors.backends.launch import MARK, Plan, Start, environment, free_port, guarded
from connectors.backends.models import BackendSettings
from connectors.demo_server import publish, threads

MODULE = "tuning.trainer.serve"
_ROOT = Path(__file__).resolve().parents[2]


def peft(
    settings: BackendSettings,
    planned: Plan,
    model: str,
    folder: Path,
    mark: str,
    python: Path,
    place: Place,
) -> Start:
    """A worker on loopback; `folder` is the backend's, below the data folder.

    What it serves stands in a note of its own, so that no key stands in a command line.
    """
    port, key = free_port(), secrets.token_urlsafe(32)
    note = folder / "start.json"
    publish(
        note,
        {
            "base": str(Path(settings.source).expanduser().absolute()),
            "adapter": settings.adapter,
            # Where trainings keep the folders that GGUF files were turned into.
            "cache": str(folder.parents[1] / "tuning" / "bases"),
            "alias": model,
            "port": port,
            "key": key,
            "context": planned.context,
            "queue": settings.concurrency,
        },
    )
    sees = {
        **environment(),
        MARK: mark,
        "PYTHONPATH": str(_ROOT),
        "OMP_NUM_THREADS": str(threads()),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": str(place.number) if planned.on_gpu else "",
    }
    # -P: nothing that lies in the folder where it starts is a module.
    command = (str(python), "-P", "-m", MODULE, str(note))
    return Start(guarded(folder, command), sees, port, key)
