"""How much a batch costs beside its calls: CPU per call, wall time, memory.

    python benchmarks/batch.py [--cells 4000] [--rounds 5] [--skip-promptfoo] [--only cpu|wall|memory]

CPU: seconds of the whole process tree at 64 in flight against the loopback witness, as the slope
between two sizes, so that start-up does not count; rounds are interleaved, figures are medians.
promptfoo is taken from npm into a cache folder outside of the repository.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

IN_FLIGHT = 64
PROMPT = "Write one sentence about {{ topic }} for a reader of the {{ paper }}."
TICKS = os.sysconf("SC_CLK_TCK")


# -- what runs in a child --------------------------------------------------------------------


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


def child_bare(base_url: str, cells: int, model: str, loop: str) -> None:
    """The least that can be done: aiohttp and orjson, 64 workers over an iterator."""
    import aiohttp
    import orjson
    import uvloop

    async def main() -> None:
        numbers = iter(range(cells))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def worker() -> None:
                for number in numbers:
                    text = PROMPT.replace("{{ topic }}", f"topic {number}")
                    text = text.replace("{{ paper }}", "Daily News")
                    body = {"model": model, "messages": [{"role": "user", "content": text}]}
                    async with session.post(
                        f"{base_url}/chat/completions",
                        data=orjson.dumps(body),
                        headers={"Content-Type": "application/json"},
                    ) as answer:
                        found = orjson.loads(await answer.read())
                        assert found["choices"][0]["message"]["content"]

            await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))

    started = time.perf_counter()
    (uvloop.run if loop == "uvloop" else asyncio.run)(main())
    report(cells, started)


def report(cells: int, started: float) -> None:
    """What a child says at its end."""
    figures = {
        "cells": cells,
        "wall": time.perf_counter() - started,
        "cpu": tree_cpu(os.getpid()),
        "memory": tree_memory(os.getpid()),
    }
    print(json.dumps(figures), flush=True)


def child_prepare(data: str, base_url: str, cells: int, model: str) -> None:
    """A fresh SQLite database with a queued run."""
    from core.database import Database
    from core.migrate import migrate
    from core.settings import load_settings

    database = Database(load_settings(Path(data)))
    migrate(database)
    print(json.dumps({"run": prepare(database, base_url, cells, model)}), flush=True)


def child_ours(data: str, run_id: str, cells: int, watch: bool) -> None:
    """The engine on a run that waits; `idle` is the process with everything imported."""
    from core.database import Database
    from core.settings import load_settings
    from evalsets.runs.worker import run_here, serve

    database = Database(load_settings(Path(data)))
    idle = tree_memory(os.getpid())
    before, started = tree_cpu(os.getpid()), time.perf_counter()
    peak = Peak(os.getpid()) if watch else None
    row = serve(run_here(database, run_id))
    wall, cpu = time.perf_counter() - started, tree_cpu(os.getpid()) - before
    assert row.succeeded == cells, f"{row.succeeded} of {cells} answered"
    figures = {"cells": cells, "wall": wall, "cpu": cpu, "idle": idle}
    if peak is not None:
        figures["memory"] = peak.end()
    print(json.dumps(figures), flush=True)


class Peak:
    """The most memory of a process tree, looked at every 50 ms."""

    def __init__(self, pid: int) -> None:
        self._watcher = subprocess.Popen(
            [sys.executable, __file__, "--child", "watch", str(pid)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def end(self) -> int:
        """Stop watching; bytes."""
        assert self._watcher.stdin is not None
        assert self._watcher.stdout is not None
        self._watcher.stdin.close()
        return int(self._watcher.stdout.readline())


def child_watch(pid: int) -> None:
    """Sample a process tree, this watcher left out, until the input ends."""
    import select

    most = 0
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        own = tree_memory(os.getpid())
        most = max(most, tree_memory(pid) - own)
    print(most, flush=True)


def prepare(database: object, base_url: str, cells: int, model: str) -> str:
    """Prompt, model, cases and a queued run."""
    from core.database import Database
    from evalsets.runs.service import RunRequest, start
    from prompts.content import Variable
    from tests.support.running import ACTOR, add_cases, add_prompt
    from tests.support.running import add_model as model_of
    from tests.support.witness import Witness

    assert isinstance(database, Database)
    port = int(base_url.rpartition(":")[2].partition("/")[0])
    variables = (Variable(name="topic"), Variable(name="paper"))
    add_prompt(database, text=PROMPT, variables=variables)
    model_of(database, Witness(port), model, concurrency=IN_FLIGHT)
    add_cases(database, [{"topic": f"topic {n}", "paper": "Daily News"} for n in range(cells)])
    request = RunRequest(prompts=("ask",), models=(model,), dataset="cases")
    return start(database, ACTOR, request).run_id


# -- the parent ------------------------------------------------------------------------------


def child(*arguments: object) -> dict[str, Any]:
    """Run a part of this file in a process of its own; what it reports."""
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def ours(base_url: str, cells: int, model: str = "ok", *, watch: bool = False) -> dict[str, float]:
    """The engine on a fresh data folder; watching its memory costs CPU of its own."""
    with tempfile.TemporaryDirectory() as data:
        run_id = child("prepare", data, base_url, cells, model)["run"]
        return child("ours", data, run_id, cells, int(watch))


def bare(base_url: str, cells: int, loop: str = "asyncio") -> dict[str, float]:
    """The bare loop."""
    return child("bare", base_url, cells, "ok", loop)


class Promptfoo:
    """promptfoo from npm, its results in its own database, telemetry and updates off."""

    def __init__(self) -> None:
        cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
        self.folder = cache / "promptstone-bench" / "promptfoo"
        self.main = self.folder / "node_modules" / "promptfoo" / "dist" / "src" / "main.js"

    def install(self) -> str | None:
        """None when it is there, else why not."""
        if shutil.which("npm") is None:
            return "npm is not installed"
        if not self._entry():
            self.folder.mkdir(parents=True, exist_ok=True)
            command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", self.folder]
            done = subprocess.run([*command, "promptfoo"], capture_output=True, timeout=900)
            if done.returncode or not self._entry():
                return "npm could not install it: " + done.stderr.decode()[-300:].strip()
        return None

    def _entry(self) -> Path | None:
        found = self.folder / "node_modules" / "promptfoo" / "package.json"
        if not found.exists():
            return None
        bins = json.loads(found.read_text())["bin"]
        name = bins if isinstance(bins, str) else bins["promptfoo"]
        return found.parent / name

    @property
    def version(self) -> str:
        found = self.folder / "node_modules" / "promptfoo" / "package.json"
        return json.loads(found.read_text())["version"]

    def run(self, base_url: str, cells: int) -> dict[str, float]:
        """One evaluation; its logger sometimes dies at the very end, which is tried again."""
        for _ in range(2):
            with contextlib.suppress(AssertionError):
                return self._run(base_url, cells)
        return self._run(base_url, cells)

    def _run(self, base_url: str, cells: int) -> dict[str, float]:
        """At -j 64; CPU from the kernel's account of the process and its children."""
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            config = {
                "prompts": [PROMPT],
                "providers": [
                    {
                        "id": "openai:chat:ok",
                        "config": {"apiBaseUrl": base_url, "apiKey": "none"},
                    }
                ],
                "tests": [
                    {"vars": {"topic": f"topic {n}", "paper": "Daily News"}} for n in range(cells)
                ],
            }
            (home / "config.json").write_text(json.dumps(config))
            environment = {
                **os.environ,
                "PROMPTFOO_CONFIG_DIR": str(home / "state"),
                "PROMPTFOO_DISABLE_TELEMETRY": "1",
                "PROMPTFOO_DISABLE_UPDATE": "1",
                "PROMPTFOO_DISABLE_DEBUG_LOG": "1",
                "PROMPTFOO_DISABLE_ERROR_LOG": "1",
                "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
            }
            entry = self._entry()
            assert entry is not None
            command = ["node", str(entry), "eval", "-c", str(home / "config.json")]
            command += ["-j", str(IN_FLIGHT), "--no-cache", "--no-progress-bar", "--no-table"]
            started = time.perf_counter()
            with open(home / "log", "wb") as log:
                process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            wall = time.perf_counter() - started
            assert process.returncode == 0, (home / "log").read_text()[-1000:]
            return {"cells": cells, "wall": wall, "cpu": usage.ru_utime + usage.ru_stime}


def slope(small: dict[str, float], large: dict[str, float]) -> float:
    """Milliseconds of CPU per call."""
    return (large["cpu"] - small["cpu"]) / (large["cells"] - small["cells"]) * 1000


def measure_cpu(base_url: str, cells: int, rounds: int, peer: Promptfoo | None) -> None:
    few = cells // 8
    subjects = {
        "bare loop": bare,
        "bare loop on uvloop": lambda url, n: bare(url, n, "uvloop"),
        "promptstone": ours,
    }
    if peer is not None:
        subjects["promptfoo"] = lambda url, n: peer.run(url, n)
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            found[name].append(slope(subject(base_url, few), subject(base_url, cells)))
    medians = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        print(
            f"CPU per call, {name}: {medians[name]:.3f} ms  ({', '.join(f'{v:.3f}' for v in values)})"
        )
    ratio = medians["promptstone"] / medians["bare loop"]
    verdict("CPU beside a bare aiohttp+orjson loop", ratio, 4.0, " ×")
    if peer is not None:
        verdict("CPU beside promptfoo", medians["promptstone"] / medians["promptfoo"], 0.15, " ×")


def measure_wall(base_url: str, cells: int) -> None:
    figures = ours(base_url, cells, "slow-200")
    ideal = cells * 0.2 / IN_FLIGHT
    print(f"wall time of {cells} calls of 200 ms: {figures['wall']:.2f} s, ideal {ideal:.2f} s")
    verdict("wall time beside the ideal", figures["wall"] / ideal, 1.08, " ×")


def measure_memory(base_url: str, cells: int) -> None:
    figures = ours(base_url, cells, watch=True)
    over = (figures["memory"] - figures["idle"]) / 2**20
    print(f"{cells} cells in {figures['wall']:.1f} s; idle {figures['idle'] / 2**20:.0f} MiB")
    verdict("memory over idle", over, 350, " MiB")


def verdict(what: str, figure: float, most: float, unit: str) -> None:
    """One line a claim."""
    word = "holds" if figure <= most else "MISSED"
    print(f"{what}: {figure:.3g}{unit} (at most {most:g}{unit}): {word}", flush=True)


def be_child(kind: str, rest: list[str]) -> None:
    """The part of this file that a parent asked for."""
    if kind == "bare":
        child_bare(rest[0], int(rest[1]), rest[2], rest[3])
    elif kind == "prepare":
        child_prepare(rest[0], rest[1], int(rest[2]), rest[3])
    elif kind == "watch":
        child_watch(int(rest[0]))
    else:
        child_ours(rest[0], rest[1], int(rest[2]), rest[3] == "1")


def main() -> None:
    parser = argparse.ArgumentParser(description="What a batch costs beside its calls.")
    parser.add_argument("--cells", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-promptfoo", action="store_true")
    parser.add_argument("--only", choices=["cpu", "wall", "memory"])
    options = parser.parse_args()
    from tests.support.witness import witness

    python = f"Python {platform.python_version()}"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "orjson", "sqlalchemy"))
    print(f"{python}, {libraries}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    peer = None
    if not options.skip_promptfoo and options.only in (None, "cpu"):
        peer = Promptfoo()
        problem = peer.install()
        print(f"promptfoo left out: {problem}" if problem else f"promptfoo {peer.version}")
        peer = None if problem else peer
    with witness() as server:
        if options.only in (None, "cpu"):
            measure_cpu(server.base_url, options.cells, options.rounds, peer)
        if options.only in (None, "wall"):
            measure_wall(server.base_url, 50 * IN_FLIGHT)
        if options.only in (None, "memory"):
            measure_memory(server.base_url, 20_000)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        be_child(sys.argv[2], sys.argv[3:])
    else:
        main()
