"""A real `promptstone up` in a process of its own, and a plain client that sends what it is told."""

import http.client
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.forked import Standing, forking

COMMAND = [sys.executable, "-m", "app.cli.main"]
_LINK = re.compile(r"^Sign in: (\S+)\n", re.M)
_READY = re.compile(r"^Promptstone is ready at (\S+)\n", re.M)


@dataclass
class Answer:
    """Status, headers and body of an HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Up:
    """A running server; `cookie` is set by `sign_in`."""

    process: subprocess.Popen[str] | Standing
    data_dir: Path
    link: str
    cookie: str = ""

    @property
    def port(self) -> int:
        return urlsplit(self.link).port or 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(
        self, path: str, method: str = "GET", *, signed_in: bool = True, body: bytes = b"",
        **headers: str,
    ) -> Answer:  # fmt: skip
        """One request; names of headers are written with `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if signed_in and self.cookie:
            sent.setdefault("cookie", self.cookie)
        return ask(self.port, path, method, body, sent)

    def sign_in(self) -> None:
        """Use the link up and keep the session's cookie."""
        answer = self.ask(self.link.split(str(self.port), 1)[1], signed_in=False)
        assert answer.status == 303, answer
        self.cookie = answer.headers["set-cookie"].split(";")[0]

    def wait_ready(self) -> None:
        """Until the worker lives, too."""
        deadline = time.monotonic() + 30
        while self.ask("/readyz", signed_in=False).status != 200:
            assert time.monotonic() < deadline, "the server did not get ready"
            time.sleep(0.05)

    def children(self) -> list[int]:
        """Process ids of all living descendants."""
        return descendants(self.process.pid)

    def stop(self, number: int = signal.SIGTERM, timeout: float = 20) -> int:
        """Send a signal and wait; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout)


def ask(
    port: int, path: str, method: str = "GET", body: bytes = b"", headers: Mapping[str, str] = {}
) -> Answer:  # fmt: skip
    """One request to a loopback port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host="host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body or method in ("POST", "PUT", "PATCH"):
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()


def descendants(pid: int) -> list[int]:
    """Living descendants of a process, by /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except (OSError, ValueError):
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    found = [pid]
    for candidate in found:
        found += [child for child, parent in parents.items() if parent == candidate]
    return found[1:]


def alive(pids: list[int]) -> list[int]:
    """Those of `pids` that still run (a zombie does not)."""
    running = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            running.append(pid)
    return running


def wait_until_gone(pids: list[int], seconds: float) -> list[int]:
    """Those still alive after `seconds`."""
    deadline = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive(pids)


def start(
    data_dir: Path, *arguments: str, alone: bool = False, prefix: Sequence[str] = (),
    **environment: str,
) -> Up:  # fmt: skip
    """Start a server on a free port and wait for its sign-in link; of role api, its address.

    It is a fork of a process that has imported already; `alone`, or with a `prefix` of words before
    the command, it is started as a user's shell does.
    """
    wanted = _READY if "api" in arguments else _LINK
    whole = ["--data-dir", str(data_dir), "up", "--port", "0", *arguments]
    known = {**os.environ, "PYTHONFAULTHANDLER": "1", **environment}
    process = (
        subprocess.Popen([*prefix, *COMMAND, *whole], stdout=subprocess.PIPE, text=True, env=known)
        if alone or prefix
        else forking().stand(*whole, **known)
    )
    up = Up(process, data_dir, "")
    assert process.stdout is not None
    said, deadline = "", time.monotonic() + 60
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not (found := wanted.search(said)):
            if not selector.select(max(0, deadline - time.monotonic())):
                process.send_signal(signal.SIGABRT)  # its threads are told on stderr
                process.wait()
                raise TimeoutError("the server did not get ready")
            # Not by readline: a second line would wait unseen in its buffer.
            more = os.read(process.stdout.fileno(), 65536).decode()
            assert more, f"the server ended with {process.wait()}"
            said += more
    up.link = found[1]
    return up


@contextmanager
def serving(
    data_dir: Path, *arguments: str, alone: bool = False, **environment: str
) -> Iterator[Up]:
    """A server that is ended at the end, whatever happened."""
    up = start(data_dir, *arguments, alone=alone, **environment)
    try:
        yield up
    finally:
        children = up.children()
        if up.process.poll() is None:
            up.process.send_signal(signal.SIGTERM)
            try:
                up.process.wait(15)
            except subprocess.TimeoutExpired:
                up.process.kill()
        for pid in alive(children):
            if pid in descendants(up.process.pid):
                os.kill(pid, signal.SIGKILL)
        if up.process.stdout:
            up.process.stdout.close()


def command(data_dir: Path, *arguments: str, timeout: float = 60, **environment: str):
    """Run a command to its end, as a user would."""
    return subprocess.run(
        [*COMMAND, "--data-dir", str(data_dir), *arguments],
        capture_output=True, text=True, timeout=timeout, env={**os.environ, **environment},
    )  # fmt: skip
