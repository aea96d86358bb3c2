"""Ends what a killed watcher or guard may have left: processes that carry a backend's mark."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from connectors.backends.launch import MARK


def end_marked(mark: str, *, whole: bool) -> int:
    """Kill all processes of ours with this mark in their environment, and count them.

    Not `whole`, the mark is the beginning of one: that of a data folder. Linux alone tells.
    """
    count = 0
    for pid in list(_marked(mark, whole)):
        try:
            os.kill(pid, signal.SIGKILL)
            count += 1
        except OSError:
            continue
    return count


def memory_of(mark: str) -> int:
    """Bytes of memory that the processes with this mark have alone; 0 where nobody tells."""
    return sum(_own_pages(pid) for pid in _marked(mark, True)) * os.sysconf("SC_PAGE_SIZE")


def _marked(mark: str, whole: bool) -> Iterator[int]:
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid():
            continue
        try:
            lines = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(line == wanted if whole else line.startswith(wanted) for line in lines):
            yield pid


def _own_pages(pid: int) -> int:
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return int(resident) - int(shared)
