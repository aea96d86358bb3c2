"""The short way to chat completions: the same answers as the long one."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from app.server.direct import Direct
from tests.support.apps_server import AppsServer, apps_server
from tests.support.witness import Witness, witness


@pytest.fixture(scope="module")
def model() -> Iterator[Witness]:
    with witness() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: Witness) -> Iterator[AppsServer]:
    with apps_server(tmp_path_factory.mktemp("direct")) as running:
        for name in ("ok",):
            running.model(name, model.base_url, name)
            running.app(name, model=name)
        running.key = running.new_key("client", "ok")
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
