"""Webhooks: what is sent, what counts as taken, and where nothing is ever sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from connectors.address import RefusedAddress
from connectors.webhook import Delivery, WebhookClient
from connectors.webhook_address import parse_webhook
from tests.connectors.test_address import FORMS, Rebinding, canary

Seen = list[tuple[str, dict[str, str], bytes]]


@asynccontextmanager
async def hook(*statuses: int, location: str = "") -> AsyncIterator[tuple[int, Seen]]:
    """A server that answers these statuses in turn, the last one for ever; 0 never answers."""
    seen: Seen = []
    left = list(statuses)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
            body = await reader.readexactly(int(headers.get("Content-Length", "0")))
            seen.append((head[0], headers, body))
            status = left.pop(0) if len(left) > 1 else left[0]
            if not status:
                await asyncio.sleep(30)
            extra = f"Location: {location}\r\n" if location else ""
            writer.write(f"HTTP/1.1 {status} X\r\n{extra}Content-Length: 2\r\n\r\nok".encode())
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()


async def test_a_message_is_sent_as_json_without_any_key() -> None:
    async with hook(202) as (port, seen), WebhookClient() as client:
        url = f"http://127.0.0.1:{port}/hooks/a/?key=x%20y&b=1"
        came = await client.post(url, {"app": "faq", "value": 0.5}, local_allowed=True)
    assert came == Delivery(True, 202, None, False)
    ((line, headers, body),) = seen
    assert line == "POST /hooks/a/?key=x%20y&b=1 HTTP/1.1"
    assert headers["Content-Type"] == "application/json"
    assert not {"Authorization", "Cookie", "Proxy-Authorization"} & set(headers)
    assert json.loads(body) == {"app": "faq", "value": 0.5}


@pytest.mark.parametrize(
    ("status", "why", "again"),
    [
        (500, "server", True),
        (503, "server", True),
        (429, "rate_limited", True),
        (404, "bad_request", False),
        (401, "bad_request", False),
    ],
)
async def test_what_is_no_delivery(status: int, why: str, again: bool) -> None:
    async with hook(status) as (port, _), WebhookClient() as client:
        came = await client.post(f"http://127.0.0.1:{port}", {}, local_allowed=True)
    assert came == (False, status, why, again)


async def test_a_redirect_is_followed_nowhere() -> None:
    async with (
        hook(200) as (there, reached),
        hook(307, location=f"http://127.0.0.1:{there}/") as (port, _),
        WebhookClient() as client,
    ):
        came = await client.post(f"http://127.0.0.1:{port}", {}, local_allowed=True)
    assert (came.why, came.again, reached) == ("redirect", False, [])


async def test_silence_and_a_closed_port_may_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connectors.webhook.SECONDS", 0.2)
    async with hook(0) as (port, _), WebhookClient() as client:
        came = await client.post(f"http://127.0.0.1:{port}", {}, local_allowed=True)
        assert (came.why, came.again) == ("timeout", True)
    async with WebhookClient() as client:
        came = await client.post(f"http://127.0.0.1:{port}", {}, local_allowed=True)
    assert (came.why, came.again) == ("connection", True)


async def test_no_form_of_a_private_address_is_connected_to() -> None:
    """Control: with the allowlist the first of these forms is reached."""
    async with canary() as (port, seen):
        async with WebhookClient() as client:
            for form in FORMS:
                for tail in ("", "?q=1"):
                    came = await client.post(form.format(p=port) + tail, {})
                    assert not came.delivered
                    assert came.why in ("refused_address", "connection", "timeout"), form
            assert seen == []
            await client.post(f"http://127.0.0.1:{port}", {}, local_allowed=True)
        assert seen


async def test_metadata_is_refused_even_if_allowed() -> None:
    async with WebhookClient() as client:
        for url in (
            "http://169.254.169.254/latest/meta-data",
            "http://[fd00:ec2::254]/",
            "http://0.0.0.0/",
        ):
            assert (await client.post(url, {}, local_allowed=True)).why == "refused_address"


async def test_a_name_that_changes_its_mind_reaches_nobody() -> None:
    async with canary() as (port, seen):
        async with WebhookClient(Rebinding(["93.184.215.14"], ["127.0.0.1"])) as client:
            for _ in range(2):
                await client.post(f"http://rebind.example.com:{port}", {})
        assert seen == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x.example",
        "https://u:secret@x.example/",
        "https://x.example/#a",
        "https://x.example/?a b",
        "https://x.example/?a#b",
        "https://x.example/?é",
    ],
)
def test_malformed_addresses_are_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(RefusedAddress) as refused:
        parse_webhook(url)
    assert "secret" not in str(refused.value)
