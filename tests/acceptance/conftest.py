"""What the acceptance tests drive: commands in a fresh data folder, and a provider that counts."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.forked import Forking
from tests.support.serving import command
from tests.support.witness import Witness, witness


class Shell:
    """One data folder and what is typed at it; `here` holds the files that are pushed."""

    def __init__(self, data: Path, here: Path, forking: Forking) -> None:
        self.data, self.here = data, here
        self._forking = forking

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """A command to its end, whatever it is."""
        return self._forking.run(self.data, *map(str, arguments))

    def alone(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """The same in a process of its own, as a user's shell starts it."""
        return command(self.data, *map(str, arguments))

    def __call__(self, *arguments: object, status: int = 0) -> str:
        """stdout of a command that ends with `status`."""
        found = self.run(*arguments)
        assert found.returncode == status, (arguments, found.stdout[-2000:], found.stderr)
        return found.stdout

    def json(self, *arguments: object, status: int = 0) -> Any:
        """The one document that `--json` prints."""
        return json.loads(self(*arguments, "--json", status=status))

    def error(self, *arguments: object, status: int = 1) -> str:
        """The sentence of a command that fails; nothing of it on stdout."""
        found = self.run(*arguments)
        assert found.returncode == status, (arguments, found.stdout[-2000:], found.stderr)
        assert found.stdout == ""
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


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    found = Forking()
    yield found
    found.close()


@pytest.fixture(scope="session")
def provider() -> Iterator[Witness]:
    with witness() as found:
        yield found


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory, forking: Forking, provider: Witness) -> Shell:
    """One folder for all, with a priced and an unpriced model, `ask` and ten cases."""
    found = Shell(tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("files"), forking)
    add_model(found, provider, "priced", "ok", "--input-price", 1, "--output-price", 2)
    add_model(found, provider, "unpriced", "ok")
    found("prompt", "push", found.write("ask.txt", "About {{ topic }}"))
    rows = "".join(f"c{n},topic {n},echo: About topic {n}\n" for n in range(10))
    found("dataset", "push", "cases", found.write("cases.csv", "id,topic,expected\n" + rows))
    return found


def add_model(shell: Shell, provider: Witness, name: str, behaviour: str, *more: object) -> None:
    """A model of the provider; `behaviour` is its id there."""
    shell("model", "add", name, "--base-url", provider.base_url, "--model", behaviour, *more)
