"""Commands in processes forked from one that has imported already: a tenth of the time of each.

`python -m tests.support.forked` reads a JSON line `{"arguments", "environment", "out"}` and answers
with the exit status; what the command printed lies in OUT.stdout and OUT.stderr.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

_LOADED = (
    "app.cli.main", "app.cli.run", "app.cli.verdict", "app.opening", "app.tables", "connectors.tokens",
    "connectors.service", "connectors.testing", "core.backup", "evalsets.datasets.cases",
    "evalsets.files.reading", "evalsets.labels.importing", "evalsets.labels.exporting", "evalsets.runs.report",
    "evalsets.runs.exports", "evalsets.verdicts.as_json", "evalsets.runs.worker", "prompts.checks", "prompts.diff",
    "prompts.export", "prompts.service",
)  # fmt: skip


class Forking:
    """The process that forks, and the way to it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="promptstone-cli-")
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
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"arguments": whole, "environment": environment, "out": out}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        printed = [Path(f"{out}.{name}").read_bytes().decode() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess(whole, status, *printed)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._folder.cleanup()


def _child(request: dict[str, object]) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(f"{request['out']}.{name}", flags, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(request["environment"])  # type: ignore[arg-type]
    sys.argv = ["promptstone", *request["arguments"]]  # type: ignore[misc]
    status = 0
    try:
        import_module("app.cli.main").run()
    except SystemExit as end:
        status = int(end.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    atexit._run_exitfuncs()
    os._exit(status)


def main() -> None:
    """Fork for every line until stdin ends."""
    for name in _LOADED:
        import_module(name)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _child(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
