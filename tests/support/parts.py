"""The parts of a deployment as processes: each with a data folder of its own, one database."""

import http.client
import json
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openai import OpenAI

from tests.support.serving import COMMAND, Answer, ask

_READY = re.compile(r"^Promptstone is ready at (\S+)\n", re.M)
_LINK = re.compile(r"^Sign in: (\S+)\n", re.M)


@dataclass
class Part:
    """One process of one role."""

    role: str
    data: Path
    process: "subprocess.Popen[str]"
    said: str = ""

    @property
    def port(self) -> int:
        found = _READY.search(self.said)
        assert found is not None
        return urlsplit(found[1]).port or 0

    @property
    def link(self) -> str:
        """Path and query of the sign-in link that was printed."""
        found = _LINK.search(self.said)
        assert found is not None
        parts = urlsplit(found[1])
        return f"{parts.path}?{parts.query}"

    def wait_started(self, seconds: float = 150) -> None:
        """Until it tells that it is ready, and a part with pages its link."""
        assert self.process.stdout is not None
        deadline, wanted = time.monotonic() + seconds, _LINK if self.role == "ui" else _READY
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not wanted.search(self.said):
                assert selector.select(max(0, deadline - time.monotonic())), f"{self.role}: silent"
                more = os.read(self.process.stdout.fileno(), 65536).decode()
                assert more, f"{self.role} ended with {self.process.wait()}"
                self.said += more

    def get(self, path: str, **headers: str) -> Answer:
        """One request without a key unless it is given."""
        return ask(self.port, path, headers=headers)

    def post(self, path: str, key: str, body: object) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one call with a key."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def client(self, key: str) -> OpenAI:
        """The real SDK, which tries nothing again."""
        return OpenAI(
            base_url=f"http://127.0.0.1:{self.port}/v1", api_key=key, max_retries=0, timeout=20
        )

    def stop(self, seconds: float = 15) -> int:
        """SIGTERM and wait; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Whatever its state."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def begin(role: str, data: Path, environment: Mapping[str, str], *more: str) -> Part:
    """Start a part on a free port, without waiting for it."""
    arguments = ["--data-dir", str(data), "up", "--role", role, "--port", "0", *more]
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONFAULTHANDLER": "1", **environment},
    )  # fmt: skip
    return Part(role, data, process)
