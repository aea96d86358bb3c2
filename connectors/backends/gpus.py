"""The places where a model can lie: GPUs as their driver tells, and the machine's own memory."""

import csv
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

CPU = "cpu"
_FIELDS = "uuid,index,name,memory.total,memory.used"
_MIB = 1 << 20
_SECONDS = 10


class Place(NamedTuple):
    """Memory that models can be put into, in bytes; `id` is a GPU's UUID, or `cpu`.

    `number` is what the driver counts a GPU as, in the order of the bus.
    """

    id: str
    name: str
    total: int
    free: int
    number: int = 0


def gpus() -> list[Place]:
    """The GPUs that this process may use; empty where there is no driver or no GPU."""
    try:
        said = subprocess.run(
            ["nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    return parse(said.stdout, os.environ.get("CUDA_VISIBLE_DEVICES")) if not said.returncode else []


def parse(said: str, visible: str | None = None) -> list[Place]:
    """What `nvidia-smi` answered; `visible` is CUDA_VISIBLE_DEVICES: indexes or UUIDs."""
    allowed = None if visible is None else {part.strip() for part in visible.split(",")}
    found: list[Place] = []
    for row in csv.reader(said.splitlines(), skipinitialspace=True):
        if len(row) != 5 or not all(row[at].strip().isdigit() for at in (1, 3, 4)):
            continue
        uuid, index, name, total, used = (part.strip() for part in row)
        if allowed is None or uuid in allowed or index in allowed:
            free = max(0, int(total) - int(used))
            found.append(Place(uuid, name, int(total) * _MIB, free * _MIB, int(index)))
    return found


def memory() -> Place:
    """The machine's memory, or what its container may use of it."""
    total, free = _machine()
    limit, used = _container()
    if limit is not None and limit < total:
        total, free = limit, min(free, max(0, limit - used))
    return Place(CPU, "CPU", total, free)


def places() -> list[Place]:
    """All places of this machine, GPUs first."""
    return [*gpus(), memory()]


def _machine() -> tuple[int, int]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return total, total // 2
    told = {name: int(rest.split()[0]) << 10 for name, _, rest in (x.partition(":") for x in lines)}
    return told["MemTotal"], told.get("MemAvailable", told["MemFree"])


def _container() -> tuple[int | None, int]:
    """The limit of the control group (version 2) and what counts against it."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        told = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None, 0
    # Cached files are given back when memory is asked for.
    used -= int(told.get("inactive_file", 0))
    return (int(limit) if limit.isdigit() else None), used
