"""promptfoo from npm, taken into a cache folder outside of the repository."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.environments import cache
from benchmarks.task import IN_FLIGHT, PROMPT, case


class Promptfoo:
    """promptfoo from npm, its results in its own database, telemetry and updates off."""

    name = "promptfoo"

    def __init__(self) -> None:
        self.folder = cache() / "promptfoo"
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
        entry = self._entry()
        assert entry is not None
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            (home / "config.json").write_text(json.dumps(_config(base_url, cells)))
            command = ["node", str(entry), "eval", "-c", str(home / "config.json")]
            command += ["-j", str(IN_FLIGHT), "--no-cache", "--no-progress-bar", "--no-table"]
            environment = {**os.environ, **_QUIET, "PROMPTFOO_CONFIG_DIR": str(home / "state")}
            started = time.perf_counter()
            with open(home / "log", "wb") as log:
                process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            wall = time.perf_counter() - started
            assert process.returncode == 0, (home / "log").read_text()[-1000:]
            cpu, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
            return {"cells": cells, "wall": wall, "cpu": cpu, "memory": memory}


_QUIET = {
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_DEBUG_LOG": "1",
    "PROMPTFOO_DISABLE_ERROR_LOG": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
}


def _config(base_url: str, cells: int) -> dict[str, object]:
    provider = {"id": "openai:chat:ok", "config": {"apiBaseUrl": base_url, "apiKey": "none"}}
    cases = [{"vars": case(number)} for number in range(cells)]
    return {"prompts": [PROMPT], "providers": [provider], "tests": cases}
