"""What a tree of processes used, by /proc, and measuring in a process of its own."""

import contextlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process, those it has reaped, and its living descendants."""
    total = 0.0
    for entry in (pid, *descendants(pid)):
        try:
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15]) / TICKS
    return total


def descendants(pid: int) -> list[int]:
    """Living children and theirs."""
    found: list[int] = []
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return found
    for thread in threads:
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            for child in (thread / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def tree_memory(pid: int) -> int:
    """Bytes resident in a process and its descendants."""
    total = 0
    for entry in (pid, *descendants(pid)):
        try:
            pages = int(Path(f"/proc/{entry}/statm").read_text().split()[1])
        except OSError:
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def child(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module of this folder to its end; the figures that it prints last."""
    done = subprocess.run(
        _command(module, *arguments), stdout=subprocess.PIPE, check=True, cwd=ROOT
    )
    return json.loads(done.stdout.splitlines()[-1])


def _command(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]


class Peak:
    """The most memory of a process tree, looked at every 50 ms."""

    def __init__(self, pid: int) -> None:
        self._watcher = subprocess.Popen(
            _command("processes", pid), cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def end(self) -> int:
        """Stop watching; bytes."""
        assert self._watcher.stdin is not None
        assert self._watcher.stdout is not None
        self._watcher.stdin.close()
        return int(self._watcher.stdout.readline())


def watch(pid: int) -> None:
    """Sample a process tree, this watcher left out, until the input ends."""
    most = 0
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        own = tree_memory(os.getpid())
        most = max(most, tree_memory(pid) - own)
    print(most, flush=True)


if __name__ == "__main__":
    watch(int(sys.argv[1]))
