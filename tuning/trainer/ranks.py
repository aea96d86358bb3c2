"""Several GPUs of one machine: a process each, as accelerate finds them by their variables."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tuning.trainer.contain import Stopping

_LOOK_SECONDS = 0.1


def rank() -> int:
    """Which of the job's processes this is; 0 tells and saves."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Which GPU is this process's."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def world() -> int:
    """How many processes the job has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def launch(folder: Path, number: int, stopping: Stopping) -> int:
    """Train in `number` processes; what ends one of them badly ends all. The worst exit code."""
    ranks = [_start(folder, one, number, port) for port in [_free_port()] for one in range(number)]
    told = False
    while any(one.poll() is None for one in ranks):
        if stopping.asked and not told:
            told = True
            for one in ranks:
                one.send_signal(signal.SIGTERM)
        if any(one.poll() for one in ranks):
            # Its peers would wait for it at their next sum.
            _end(ranks)
        time.sleep(_LOOK_SECONDS)
    return max(abs(one.returncode) for one in ranks)


def _start(folder: Path, one: int, number: int, port: int) -> "subprocess.Popen[bytes]":
    own = {
        "RANK": one, "LOCAL_RANK": one, "WORLD_SIZE": number, "LOCAL_WORLD_SIZE": number,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NCCL_NVLS_ENABLE": 0,
    }  # fmt: skip
    # They share the group and end with this process, as it does with its supervisor.
    return subprocess.Popen(
        [sys.executable, "-m", "tuning.trainer", str(folder)],
        stdin=subprocess.PIPE,
        env={**os.environ, **{name: str(value) for name, value in own.items()}},
    )


def _end(ranks: "list[subprocess.Popen[bytes]]") -> None:
    time.sleep(1)
    for one in ranks:
        if one.poll() is None:
            one.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
