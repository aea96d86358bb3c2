"""What the tests of published endpoints share: raw sockets, the one error shape, what is left over."""

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.server import context

_WHILE = 0.25
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


def is_refusal(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether an answer has our error shape, names its request, and tells nothing of our insides."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    told = set(error) == {"message", "type", "param", "code"} and error["message"].endswith(".")
    text = str(error)
    named = {name.lower(): value for name, value in headers.items()}
    is_json = named.get("content-type", "").startswith("application/json")
    leaks = any(sign in text for sign in ("Traceback", 'File "', "site-packages"))
    return told and is_json and bool(named.get("x-request-id")) and not leaks


def raw(port: int, data: bytes, seconds: float = 5.0) -> bytes:
    """What the server says to these bytes until it closes; TimeoutError when it hangs.

    A request that is not whole gets no answer: the end of what is sent is told after a while.
    """
    deadline = time.monotonic() + seconds
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_WHILE) as peer:
        try:
            peer.sendall(data)
            with contextlib.suppress(TimeoutError):
                said = peer.recv(65536)
            if not said:
                peer.shutdown(socket.SHUT_WR)
            peer.settimeout(seconds)
            while chunk := peer.recv(65536):
                said += chunk
                peer.settimeout(max(0.01, deadline - time.monotonic()))
        except (ConnectionResetError, BrokenPipeError):
            pass  # an end of the connection is an answer to what is no HTTP
    return said


def answers(said: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, headers and body of each answer in raw bytes whose bodies have their length told."""
    found = []
    while start := _STATUS.match(said):
        head, _, rest = said.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        status = int(start[1])
        size = 0 if status == 100 else int(headers.get("content-length", len(rest)))
        if status != 100:
            found.append((status, headers, rest[:size]))
        said = rest[size:]
    return found


def on_loop(make: Callable[[], Any]) -> Any:
    """What `make` gives on the loop of the server in this process."""

    async def made() -> Any:
        return make()

    return asyncio.run_coroutine_threadsafe(made(), context.current().loop).result(5)


def tasks() -> int:
    """Tasks of the server in this process."""
    return on_loop(lambda: len(asyncio.all_tasks()))


def at_rest() -> tuple[int, int]:
    """Tasks and sockets of a server that has nothing to do: the fewest within a while."""
    seen = []
    for _ in range(20):
        seen.append((tasks(), sockets()))
        time.sleep(0.02)
    return min(one[0] for one in seen), min(one[1] for one in seen)


def sockets() -> int:
    """Sockets that this process has open."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += str(entry.readlink()).startswith("socket:")
        except OSError:
            continue
    return found


def until(holds: Callable[[], bool], seconds: float, what: str = "it did not come true") -> float:
    """Seconds until `holds`."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, what
        time.sleep(0.02)
    return time.monotonic() - began
