"""The embedded model as a process of its own: `python -P demo_server.py FOLDER MODEL`.

It serves llama.cpp on a free loopback port, writes port, pid and token to FOLDER/server.json and
ends within a second or two of its last user. Each user holds a shared flock on FOLDER/users.lock,
which the kernel frees however the user ends, so an exclusive lock means that nobody is left.
"""

import fcntl
import importlib
import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CONTEXT = 8192
PARALLEL = 4


def main(folder: Path, model: Path) -> None:
    """Serve until the last user is gone."""
    users = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    token = secrets.token_urlsafe(32)
    server = start(model, token)
    port = urlsplit(server.listening_address).port
    note = folder / "server.json"
    publish(note, {"pid": os.getpid(), "port": port, "token": token, "model": str(model)})
    while not alone(users):
        time.sleep(1)
    # The lock is still held: nobody can read an address that is about to die.
    note.unlink(missing_ok=True)
    os._exit(0)


def start(model: Path, token: str) -> Any:
    """A llama.cpp server on loopback that answers only who knows the token."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {"demo"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [token]
    params.n_ctx = CONTEXT
    params.n_parallel = PARALLEL
    # One pool for all slots: a single long prompt may use the whole context.
    params.kv_unified = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads()
    params.ui = False
    params.offline = True
    params.verbosity = -1
    return xllamacpp.Server(params)


def threads() -> int:
    """Half of the cores that this process may use."""
    return max(1, len(os.sched_getaffinity(0)) // 2) if hasattr(os, "sched_getaffinity") else 2


def publish(place: Path, value: dict[str, object]) -> None:
    """Write whole or not at all, readable by the owner alone."""
    part = place.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file)
    part.replace(place)


def alone(users: int) -> bool:
    """Whether nobody holds the users' lock; if so, it is ours from now on."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
