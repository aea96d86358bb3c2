"""One data folder and what a user types at it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.forked import Forking
from tests.support.serving import command


class Shell:
    """Commands over one data folder; `here` holds the files that are pushed."""

    def __init__(self, data: Path, forking: Forking, here: Path | None = None) -> None:
        self.data, self.here = data, here or data.parent
        self.forking = forking

    def run(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command to its end, whatever it is."""
        return self.forking.run(self.data, *map(str, arguments), **environment)

    def alone(self, *arguments: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """The same in a process of its own, as a user's shell starts it."""
        return command(self.data, *map(str, arguments), timeout=timeout)

    def __call__(self, *arguments: object, status: int = 0, **environment: str) -> str:
        """stdout of a command that ends with `status`."""
        found = self.run(*arguments, **environment)
        shown = (arguments, found.returncode, found.stdout[-2000:], found.stderr)
        assert found.returncode == status, shown
        return found.stdout

    def json(self, *arguments: object, status: int = 0) -> Any:
        """The one document that `--json` prints."""
        return json.loads(self(*arguments, "--json", status=status))

    def error(self, *arguments: object, status: int = 1, **environment: str) -> str:
        """The sentence of a command that fails; nothing of it on stdout."""
        found = self.run(*arguments, **environment)
        assert found.returncode == status, (arguments, found.stdout[-2000:], found.stderr)
        assert found.stdout == ""
        assert "Traceback" not in found.stderr
        assert "unforeseen" not in found.stderr
        return found.stderr

    def write(self, name: str, content: str | bytes) -> Path:
        """A file to push."""
        path = self.here / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def cells(self, run: str) -> list[dict[str, Any]]:
        """The lines of `run export --format jsonl`."""
        lines = self("run", "export", run, "--format", "jsonl").split("\n")
        return [json.loads(line) for line in lines if line]

    def start(self, *arguments: object, status: int = 0) -> Any:
        """`run start … --wait --json`."""
        return self.json("run", "start", *arguments, "--wait", status=status)
