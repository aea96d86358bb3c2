"""Commands in processes forked from one that has imported already: a tenth of the time of each.

`python -m tests.support.forked` reads a JSON line `{"arguments", "environment", "out"}` and answers
with the exit status; what the command printed lies in OUT.stdout and OUT.stderr. With `stays` it
answers with the process id at once, and OUT is a FIFO that gets stdout; `{"ended": ID}` answers with
the exit status of such a process that has ended.
"""

import atexit
import faulthandler
import gc
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from sqlalchemy.orm import configure_mappers

_LOADED = (
    "app.apps_in_runs", "app.opening", "app.tables", "connectors.tokens", "connectors.service",
    "connectors.testing", "core.backup", "evalsets.datasets.cases", "evalsets.datasets.edits",
    "evalsets.files.reading", "evalsets.labels.importing", "evalsets.labels.exporting",
    "evalsets.runs.report", "evalsets.runs.exports", "evalsets.runs.worker",
    "evalsets.verdicts.as_json", "evalsets.verdicts.promote", "numpy.ma", "numpy.random",
    "prompts.checks", "prompts.diff", "prompts.export", "prompts.service", "psycopg", "rag.service",
    "serving.aliases", "serving.making", "serving.portable", "serving.service", "tiktoken.model",
    "tiktoken_ext.openai_public", "tuning.data.from_run", "tuning.data.held_out", "tuning.service",
    "typer._adapters",
)  # fmt: skip


_LOADED_BY_SERVERS = (
    "streamlit", "streamlit.starlette", "altair", "pandas", "pyarrow", "scipy.stats", "openpyxl",
    "app.server.main", "evalsets.runs.exports", "serving.http.serving",
)  # fmt: skip


class Standing:
    """A forked command that stays, with what tests use of `subprocess.Popen`."""

    def __init__(self, forking: "Forking", pid: int, stdout: IO[str]) -> None:
        self.pid, self.stdout = pid, stdout
        self.returncode: int | None = None
        self._forking = forking
        self._end = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        if self.returncode is None and select.select([self._end], [], [], 0)[0]:
            self.returncode = int(self._forking.answer({"ended": self.pid}))
            os.close(self._end)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Like `Popen.wait`."""
        if self.returncode is None:
            select.select([self._end], [], [], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired("up", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Nothing happens to one that has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._end, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Forking:
    """The process that forks, and the way to it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="promptstone-cli-")
        self._stood = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def run(
        self, data_dir: Path, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """One command to its end."""
        out = str(Path(self._folder.name) / "out")
        whole = ["--data-dir", str(data_dir), *arguments]
        status = int(self.answer({"arguments": whole, "environment": environment, "out": out}))
        printed = [Path(f"{out}.{name}").read_bytes().decode() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess(whole, status, *printed)

    def stand(self, *arguments: str, **environment: str) -> Standing:
        """A command that goes on beside the test; the environment is the whole of it."""
        self._stood += 1
        out = Path(self._folder.name) / f"up{self._stood}"
        os.mkfifo(out)
        reading = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
        request = {
            "arguments": arguments,
            "environment": environment,
            "out": str(out),
            "stays": True,
        }
        pid = int(self.answer(request))
        os.set_blocking(reading, True)
        return Standing(self, pid, os.fdopen(reading))

    def answer(self, request: Mapping[str, object]) -> str:
        """What the process says to a line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._folder.cleanup()


@cache
def forking() -> Forking:
    """The one of this process."""
    found = Forking()
    atexit.register(found.close)
    return found


def _child(request: dict[str, Any]) -> None:
    out = request["out"]
    if "stays" in request:
        faulthandler.enable()
        os.environ.clear()
        os.dup2(request["stays"], 1)
        os.close(request["stays"])
    else:
        for number, name in ((1, "stdout"), (2, "stderr")):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(f"{out}.{name}", flags, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(request["environment"])
    sys.argv = ["promptstone", *request["arguments"]]
    status = 0
    try:
        import_module("app.cli.main").run()
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    atexit._run_exitfuncs()
    os._exit(status)


def _answer(request: dict[str, Any]) -> int:
    if "ended" in request:
        return os.waitstatus_to_exitcode(os.waitpid(request["ended"], 0)[1])
    if "stays" not in request:
        return os.waitstatus_to_exitcode(os.waitpid(_forked(request), 0)[1])
    _load_servers()
    # Opened here: who reads a FIFO that nobody has opened yet is told that it has ended.
    writing = os.open(request["out"], os.O_WRONLY)
    pid = _forked({**request, "stays": writing})
    os.close(writing)
    return pid


@cache
def _load_servers() -> None:
    for name in _LOADED_BY_SERVERS:
        import_module(name)
    import_module("tests.support.scan").scan_once()
    import_module("streamlit.components.v2.manifest_scanner").scan_component_manifests()
    gc.freeze()


def _forked(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _child(request)
    return pid


def main() -> None:
    """Fork for every line until stdin ends."""
    commands = import_module("app.cli")
    for found in pkgutil.iter_modules(commands.__path__, "app.cli."):
        with suppress(Exception):  # it is told by the command that needs it
            import_module(found.name)
    for name in _LOADED:
        import_module(name)
    configure_mappers()
    import_module("connectors.tokens").count_text("its table is read")
    gc.freeze()
    for line in sys.stdin:
        print(_answer(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
