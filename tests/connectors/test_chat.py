"""The wire client against a provider that keeps, bends and breaks OpenAI's wire."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterator

import psutil
import pytest

from connectors.chat import ChatClient
from connectors.resolver import CheckedResolver
from connectors.wire import ChatAnswer, ChatError, ChatFailure, ChatRequest, Target, Usage
from tests.support.witness import Witness, witness

KEY = "sk-canary-7f3a9b2c4d5e6f708192"


@pytest.fixture(scope="module")
def server() -> Iterator[Witness]:
    with witness() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[ChatClient]:
    async with ChatClient() as opened:
        yield opened


def target(server: Witness, model: str, **settings: object) -> Target:
    values: dict[str, object] = {
        "base_url": server.base_url,
        "timeout": 1.5,
        "idle_timeout": 0.7,
        "api_key": KEY,
        "local_allowed": True,
    }
    return Target("m", "openai", model, **(values | settings))  # type: ignore[arg-type]


def ask(text: str = "one two three", **settings: object) -> ChatRequest:
    return ChatRequest([{"role": "user", "content": text}], **settings)  # type: ignore[arg-type]


async def outcome(
    client: ChatClient, to: Target, request: ChatRequest, *, stream: bool = False
) -> ChatAnswer | ChatFailure:
    try:
        return await client.chat(to, request, on_delta=[].append if stream else None)
    except ChatError as error:
        return error.failure


async def test_answer(server: Witness, client: ChatClient) -> None:
    answer = await client.chat(target(server, "ok"), ask())
    assert (answer.text, answer.finish_reason) == ("echo: one two three", "stop")
    assert answer.usage == Usage(3, 4)
    assert answer.ttft_ms is None
    assert answer.latency_ms > 0


async def test_stream_gives_pieces_and_the_same_answer(server: Witness, client: ChatClient) -> None:
    pieces: list[str] = []
    to = target(server, "think-100")
    answer = await client.chat(to, ask("a b c"), on_delta=pieces.append)
    assert pieces == ["echo:", " a", " b", " c"]
    assert answer.text == "echo: a b c"
    assert answer.usage == Usage(3, 4)
    assert answer.ttft_ms is not None
    assert 90 < answer.ttft_ms <= answer.latency_ms


async def test_sent_as_given(server: Witness, client: ChatClient) -> None:
    tools = [{"type": "function", "function": {"name": "look"}}]
    request = ask("x", params={"temperature": 0.5, "max_tokens": 7}, tools=tools)
    answer = await client.chat(target(server, "tool"), request)
    sent = server.requests()[-1]
    assert sent["headers"]["authorization"] == f"Bearer {KEY}"
    assert sent["body"] == {
        "model": "tool",
        "messages": [{"role": "user", "content": "x"}],
        "temperature": 0.5,
        "max_tokens": 7,
        "tools": tools,
    }
    assert answer.tool_calls[0]["function"] == {"name": "look", "arguments": '{"q": "x"}'}
    assert answer.text == ""


async def test_missing_usage_is_estimated(server: Witness, client: ChatClient) -> None:
    for model in ("nousage", "badusage"):
        for stream in (False, True):
            answer = await outcome(
                client, target(server, model, timeout=20.0), ask(), stream=stream
            )
            assert isinstance(answer, ChatAnswer)
            assert answer.usage == Usage(input_tokens=10, output_tokens=5, estimated=True)


# model, streamed, kinds that are right
FAULTS = [
    ("garbage", False, "garbage"),
    ("html", False, "garbage"),
    ("html", True, "garbage"),
    ("empty", False, "garbage"),
    ("truncated", False, "garbage"),
    ("nochoices", False, "garbage"),
    ("deep", False, "garbage"),
    ("many", False, "too_large"),
    ("utf8", False, "garbage"),
    ("nan", False, "garbage"),
    ("badgzip", False, "garbage"),
    ("cut", False, "connection"),
    ("cut", True, "connection"),
    ("rst", False, "connection"),
    ("hang", False, "timeout"),
    ("hang", True, "timeout"),
    ("drip-0.3", False, "timeout"),
    ("drip-0.3", True, "timeout"),
    ("endless", False, "too_large"),
    ("endless", True, "too_large timeout"),
    ("longline", True, "too_large"),
    ("stall", True, "timeout"),
    ("errorevent", True, "server"),
    ("huge50mb", False, "too_large"),
    ("gzipbomb", False, "too_large"),
    ("bigheader", False, "garbage"),
    ("manyheaders", False, "garbage"),
    ("redirect", False, "redirect"),
    ("r400", False, "bad_request"),
    ("r401", False, "auth"),
    ("echokey", False, "auth"),
    ("r402", False, "quota"),
    ("r403", False, "forbidden"),
    ("r404", False, "not_found"),
    ("r408", False, "timeout"),
    ("quota", False, "quota"),
    ("r429-3", False, "rate_limited"),
    ("r429-1e9", False, "rate_limited"),
    ("r500", False, "server"),
    ("r529", True, "server"),
]


async def test_hostile_provider(server: Witness, client: ChatClient) -> None:
    """SAFETY C3: every fault is a typed value with a remedy; memory and deadline are kept."""
    await client.chat(target(server, "ok"), ask())
    process = psutil.Process(os.getpid())
    before = process.memory_info().rss
    for model, stream, kinds in FAULTS:
        slow = model in ("gzipbomb",)
        to = target(server, model, timeout=30.0 if slow else 1.5)
        started = time.monotonic()
        found = await outcome(client, to, ask(), stream=stream)
        took = time.monotonic() - started
        assert isinstance(found, ChatFailure), (model, stream)
        assert found.kind in kinds.split(), (model, stream, found)
        assert took < to.timeout + 8, (model, stream, took)
        assert re.search(r"\. (Check|Set|Raise|Lower|Use|Top|Change|Retry)", found.message)
        assert found.message.endswith("."), found.message
        assert KEY not in found.message
        growth = process.memory_info().rss - before
        assert growth < 64 * 2**20, (model, stream, growth >> 20)


async def test_control_a_careless_client_swallows_it(server: Witness) -> None:
    """The fault is real: without our limits all 50 MB are taken."""
    import aiohttp

    async with aiohttp.ClientSession() as careless:
        body = {"model": "huge50mb", "messages": []}
        async with careless.post(server.base_url + "/chat/completions", json=body) as answer:
            assert len(await answer.read()) == 50 * 2**20


@pytest.mark.parametrize(
    ("model", "stream"), [("nodone", True), ("dupdone", True), ("goodgzip", False)]
)
async def test_tolerated(server: Witness, client: ChatClient, model: str, stream: bool) -> None:
    found = await outcome(client, target(server, model), ask(), stream=stream)
    assert isinstance(found, ChatAnswer)
    assert found.text == "echo: one two three"


async def test_what_is_retried_and_what_ends_a_model(server: Witness, client: ChatClient) -> None:
    flags: dict[str, tuple[bool, bool]] = {}
    for model in (
        "r400",
        "r401",
        "r403",
        "r404",
        "quota",
        "r429-3",
        "r500",
        "r408",
        "r429-61",
        "html",
    ):
        found = await outcome(client, target(server, model), ask())
        assert isinstance(found, ChatFailure)
        flags[model] = (found.retryable, found.fatal_for_model)
    assert flags == {
        "r400": (False, False),
        "r401": (False, True),
        "r403": (False, True),
        "r404": (False, True),
        "quota": (False, True),
        "r429-3": (True, False),
        "r500": (True, False),
        "r408": (True, False),
        "r429-61": (False, True),
        "html": (False, False),
    }


async def test_retry_after_is_read(server: Witness, client: ChatClient) -> None:
    found = await outcome(client, target(server, "r429-3"), ask())
    assert isinstance(found, ChatFailure)
    assert (found.status, found.retry_after) == (429, 3.0)


async def test_redirect_is_not_followed(server: Witness, client: ChatClient) -> None:
    """SAFETY C2. Control: aiohttp's default follows it and the other server is reached."""
    import aiohttp

    with witness() as elsewhere:
        server.redirect_to(elsewhere.base_url + "/chat/completions")
        found = await outcome(client, target(server, "redirect"), ask())
        assert isinstance(found, ChatFailure)
        assert found.kind == "redirect"
        assert elsewhere.counts().requests == 0
        body = {"model": "redirect", "messages": []}
        async with aiohttp.ClientSession() as careless:
            await (await careless.post(server.base_url + "/chat/completions", json=body)).read()
        assert elsewhere.counts().requests == 1


async def test_key_of_a_hostile_provider_is_not_repeated(
    server: Witness, client: ChatClient
) -> None:
    found = await outcome(client, target(server, "echokey"), ask())
    assert isinstance(found, ChatFailure)
    assert "canary" not in found.message
    assert KEY not in repr(target(server, "ok"))
    words = await outcome(client, target(server, "r401"), ask())
    assert "told to: refused" in str(words), "a harmless text of the provider is shown"


async def test_connection_trouble_says_what_it_is(client: ChatClient) -> None:
    def at(url: str) -> Target:
        return Target("m", "openai", "x", base_url=url, local_allowed=True, timeout=3)

    for url, words in [
        ("http://127.0.0.1:9", "no server listens there"),
        ("http://no-such-host.invalid", "the name no-such-host.invalid is not known"),
    ]:
        found = await outcome(client, at(url), ask())
        assert isinstance(found, ChatFailure)
        assert (found.kind, found.retryable) == ("connection", True)
        assert words in found.message


async def test_tls_where_there_is_none(server: Witness, client: ChatClient) -> None:
    url = server.base_url.replace("http:", "https:")
    found = await outcome(
        client, Target("m", "openai", "x", base_url=url, local_allowed=True), ask()
    )
    assert isinstance(found, ChatFailure)
    assert found.kind == "connection"


async def test_text_that_no_json_can_hold_is_a_value(server: Witness, client: ChatClient) -> None:
    found = await outcome(client, target(server, "ok"), ask("\ud800"))
    assert isinstance(found, ChatFailure)
    assert found.kind == "bad_request"


async def test_loopback_needs_the_allowlist(server: Witness, client: ChatClient) -> None:
    before = server.counts().requests
    closed = target(server, "ok", local_allowed=False)
    found = await outcome(client, closed, ask())
    assert isinstance(found, ChatFailure)
    assert (found.kind, found.fatal_for_model) == ("refused_address", True)
    assert server.counts().requests == before
    assert isinstance(await outcome(client, target(server, "ok"), ask()), ChatAnswer)


async def test_name_of_loopback_needs_the_allowlist_each_time(server: Witness) -> None:
    async with ChatClient(CheckedResolver()) as client:
        url = f"http://localhost:{server.port}/v1"
        opened = Target("m", "openai", "ok", base_url=url, local_allowed=True)
        closed = Target("m", "openai", "ok", base_url=url)
        assert isinstance(await outcome(client, closed, ask()), ChatFailure)
        assert isinstance(await outcome(client, opened, ask()), ChatAnswer)


async def test_many_at_once(server: Witness, client: ChatClient) -> None:
    to = target(server, "slow-100", timeout=20.0)
    started = time.monotonic()
    answers = await asyncio.gather(*(client.chat(to, ask(f"q {i}")) for i in range(200)))
    assert [answer.text for answer in answers] == [f"echo: q {i}" for i in range(200)]
    assert time.monotonic() - started < 15
    assert server.counts("slow-100").most_in_flight > 150


async def test_cancel_closes_the_call(server: Witness, client: ChatClient) -> None:
    task = asyncio.create_task(client.chat(target(server, "hang+cancelled", timeout=60.0), ask()))
    await in_flight(server, "hang+cancelled", 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await in_flight(server, "hang+cancelled", 0)


async def in_flight(server: Witness, model: str, calls: int) -> None:
    for _ in range(200):
        if server.counts(model).in_flight == calls:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"the server never saw {calls} calls in flight")
