"""inspect-ai in its own environment, set up for speed: no display, no log while it runs."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.environments import venv
from benchmarks.processes import ROOT

VERSION = "0.3.285"


class InspectAI:
    """One evaluation in a process of its own."""

    name = "inspect-ai"
    version = VERSION

    def install(self) -> str | None:
        """None when it is there, else why not."""
        folder = f"inspect-{VERSION}"
        self.program = venv(folder, "inspect", f"inspect-ai=={VERSION}", "openai")
        return None if self.program.exists() else "pip could not install it"

    def run(self, base_url: str, cells: int) -> dict[str, float]:
        """CPU from the kernel's account of the process and its children."""
        python = self.program.parent / "python"
        environment = {**os.environ, "WITNESS_API_KEY": "none", "WITNESS_BASE_URL": base_url}
        with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "out", "wb") as out:
            started = time.perf_counter()
            process = subprocess.Popen(
                [python, ROOT / "benchmarks" / "inspect_task.py", str(cells), folder],
                stdout=out, stderr=out, env=environment, cwd=folder,
            )  # fmt: skip
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said = (Path(folder) / "out").read_text()[-1000:]
            assert process.returncode == 0, said
        wall, memory = time.perf_counter() - started, usage.ru_maxrss * 1024
        cpu = usage.ru_utime + usage.ru_stime
        return {"cells": cells, "wall": wall, "cpu": cpu, "memory": memory}
