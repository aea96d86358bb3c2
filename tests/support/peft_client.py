"""Asks a PEFT worker as a program would, byte by byte where it matters."""

import json
import socket
from http.client import HTTPConnection
from typing import Any, NamedTuple

KEY = "key-of-the-tests"


class Got(NamedTuple):
    """An answer; `body` is JSON, of a stream the list of its events."""

    status: int
    body: Any


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(
    port: int, path: str, body: object | None = None, *, key: str | None = KEY, method: str = ""
) -> Got:
    """One call; a dictionary is sent as JSON, bytes as they are."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    connection.request(method or ("GET" if body is None else "POST"), path, data, headers)
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    if answer.headers["Content-Type"] == "text/event-stream":
        lines = [line for line in read.decode().split("\n\n") if line]
        assert all(line.startswith("data: ") for line in lines)
        events = [line.removeprefix("data: ") for line in lines]
        return Got(answer.status, [json.loads(one) if one != "[DONE]" else one for one in events])
    is_json = answer.headers["Content-Type"] == "application/json"
    return Got(answer.status, json.loads(read) if is_json else read.decode())


def hang_up_on(port: int, path: str, body: object) -> socket.socket:
    """A call whose answer nobody reads; closing the socket is hanging up."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return connection


def figures(port: int) -> dict[str, int]:
    """The worker's own figures, by their short names."""
    lines = ask(port, "/metrics").body.splitlines()
    return {name.partition(":")[2]: int(value) for name, value in map(str.split, lines)}
