"""Ends what a killed watcher or guard may have left, and counts what its servers take. Linux tells.

A guard leads a session of its own, and all that its server starts stays in it. A mark in the
environment is not enough: vLLM's processes write their titles over it.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from connectors.backends.launch import MARK


class _Process(NamedTuple):
    pid: int
    session: int


def end_session(leader: int, boot: str, mark: str) -> int:
    """Kill all processes of the session that a guard led, and count them.

    `boot` is the `boot_id` under which it was started. A session whose leader lives and has not
    the mark is another's, who got the number later.
    """
    if boot != boot_id() or (_exists(leader) and not _has_mark(leader, mark)):
        return 0
    return _end(one.pid for one in _processes() if one.session == leader)


def end_marked(mark: str) -> int:
    """Kill all processes whose mark begins like this, as those of a data folder do."""
    return _end(one.pid for one in _processes() if _has_mark(one.pid, mark))


def memory_of(leader: int) -> int:
    """Bytes that the processes of a session have for themselves; 0 where nobody tells."""
    pages = sum(_own_pages(one.pid) for one in _processes() if one.session == leader)
    return pages * os.sysconf("SC_PAGE_SIZE")


def boot_id() -> str:
    """Another one after each start of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _end(pids: Iterator[int]) -> int:
    count = 0
    for pid in [pid for pid in pids if pid != os.getpid()]:
        try:
            os.kill(pid, signal.SIGKILL)
            count += 1
        except OSError:
            continue
    return count


def _processes() -> Iterator[_Process]:
    for folder in Path("/proc").glob("[0-9]*"):
        told = _told(int(folder.name))
        if told:
            yield _Process(int(folder.name), int(told[3]))


def _told(pid: int) -> list[str]:
    """What the kernel tells after the program's name, which may hold anything: state, parent…"""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _has_mark(pid: int, mark: str) -> bool:
    wanted = f"{MARK}={mark}".encode()
    try:
        return any(
            line.startswith(wanted)
            for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        )
    except OSError:
        return False


def _exists(pid: int) -> bool:
    """Whether it lives; one that nobody has buried does not."""
    told = _told(pid)
    return bool(told) and told[0] != "Z"


def _own_pages(pid: int) -> int:
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return int(resident) - int(shared)
