"""A start of llama.cpp."""

import secrets
import sys
from pathlib import Path

from connectors.backends import llama_server
from connectors.backends.launch import MARK, Plan, Start, environment, free_port, guarded
from connectors.backends.models import BackendSettings
from connectors.demo_server import publish, threads

_SLOTS = 8


def llamacpp(
    settings: BackendSettings, planned: Plan, model: str, folder: Path, mark: str
) -> Start:
    """llama.cpp on loopback, in a child that reads what to serve from a note of its own."""
    port, key = free_port(), secrets.token_urlsafe(32)
    note = folder / "start.json"
    publish(
        note,
        {
            "model": str(Path(settings.source).expanduser().absolute()),
            "alias": model,
            "port": port,
            "key": key,
            "context": planned.context,
            "slots": min(settings.concurrency, _SLOTS),
            "threads": threads(),
        },
    )
    # -P: the script's own folder must not shadow top-level modules.
    command = (sys.executable, "-P", llama_server.__file__, str(note))
    return Start(guarded(folder, command), {**environment(), MARK: mark}, port, key)
