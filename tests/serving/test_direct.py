"""The short way to chat completions: the same answers as the long one, and slow readers end."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from app.server.direct import Direct
from serving.http import answers
from tests.support.apps_server import AppsServer, apps_server
from tests.support.witness import Witness, witness


@pytest.fixture(scope="module")
def model() -> Iterator[Witness]:
    with witness() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: Witness) -> Iterator[AppsServer]:
    with apps_server(tmp_path_factory.mktemp("direct")) as running:
        for name in ("ok", "endless"):
            running.model(name, model.base_url, name)
            running.app(name, model=name)
        running.key = running.new_key("client", "ok", "endless")
        yield running


def test_both_ways_answer_alike(server: AppsServer) -> None:
    """A trailing slash is another path, which the framework answers."""
    short = server.chat("ok")
    assert short.json["choices"][0]["message"]["content"] == "echo: hi"
    refused = server.chat("nobody")
    assert (refused.status, refused.error["type"]) == (404, "invalid_request_error")
    assert server.call("/v1/chat/completions", key="wrong").status == 401
    assert server.call("/v1/chat/completions", method="GET").status == 405
    metrics = server.new_key("figures", scope="metrics")
    assert server.call("/v1/chat/completions", {}, key=metrics).status == 403


def test_an_unforeseen_failure_is_an_answer_and_is_logged() -> None:
    sent: list[dict[str, Any]] = []
    body = json.dumps({"model": "a", "messages": []}).encode()
    waiting = [{"type": "http.request", "body": body}]

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        if not waiting:
            await asyncio.sleep(60)
        return waiting.pop()

    class Key:
        scope = "apps"

    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [],
        "state": {"request_id": "r", "key": Key()}, "query_string": b"",
    }  # fmt: skip
    api = FastAPI()
    api.state.serving = object()
    with pytest.raises(AttributeError):
        asyncio.run(Direct(api)(scope, receive, send))
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["error"]["type"] == "server_error"


def test_who_does_not_read_is_left(
    server: AppsServer, model: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_SLOWEST_READER", 0.3)
    monkeypatch.setattr(answers, "_LOOK", 0.1)
    asked = {"model": "endless", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    body = json.dumps(asked)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {server.key}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall((head + body).encode())
        deadline = time.monotonic() + 10
        while model.counts("endless").requests == 0 or model.counts("endless").in_flight:
            assert time.monotonic() < deadline, "the model still speaks to nobody"
            time.sleep(0.05)
