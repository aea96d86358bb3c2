"""A stream on its way through us: what goes on, what is told at the end, who hangs up and when."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from connectors import relay
from connectors.chat import ChatClient
from connectors.connections import Connections
from connectors.demo import leave_demo
from connectors.relay import Relay
from connectors.upstream import StreamAs, Upstream
from connectors.wire import ChatError, ChatFailure, ChatRequest, Target, Usage
from tests.connectors.test_demo import needs_model
from tests.support.witness import Witness, witness

OURS = StreamAs("chatcmpl-ours", "news@production")


@pytest.fixture(scope="module")
def server() -> Iterator[Witness]:
    with witness() as running:
        yield running


@pytest.fixture
async def connections(data_dir: Path) -> AsyncIterator[Connections]:
    async with Connections(data_dir) as opened:
        yield opened


def target(server: Witness, model: str, **settings: object) -> Target:
    values: dict[str, object] = {
        "base_url": server.base_url,
        "timeout": 1.5,
        "idle_timeout": 0.7,
        "local_allowed": True,
        "api_key": "sk-canary",
    }
    return Target("m", "openai", model, **(values | settings))  # type: ignore[arg-type]


def ask(text: str = "one two three", **settings: object) -> ChatRequest:
    return ChatRequest([{"role": "user", "content": text}], **settings)  # type: ignore[arg-type]


def opened(connections: Connections, to: Target, request: ChatRequest, usage: bool = False):
    return connections.stream(to, request, id=OURS.id, model=OURS.model, include_usage=usage)


async def pieces(upstream: Upstream) -> list[bytes]:
    return [piece async for piece in upstream.events()]


def values_of(made: Sequence[bytes]) -> list[dict]:
    raw = b"".join(made)
    assert raw.endswith(b"\n\n")
    return [orjson.loads(event.removeprefix(b"data: ")) for event in raw[:-2].split(b"\n\n")]


def text_of(made: Sequence[bytes]) -> str:
    choices = [choice for value in values_of(made) for choice in value["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def failed(connections: Connections, to: Target) -> tuple[list[bytes], ChatFailure]:
    """What went on before the failure, and the failure."""
    made: list[bytes] = []
    try:
        async with await opened(connections, to, ask()) as upstream:
            made = [piece async for piece in upstream.events()]
    except ChatError as error:
        return made, error.failure
    pytest.fail(f"{to.model_id} did not fail")


async def test_a_stream_goes_on_as_ours(server: Witness, connections: Connections) -> None:
    started = time.perf_counter()
    async with await opened(connections, target(server, "think-100"), ask()) as upstream:
        made = await pieces(upstream)
    values = values_of(made)
    assert {value["id"] for value in values} == {OURS.id}
    assert {value["model"] for value in values} == {OURS.model}
    assert all(value["choices"] for value in values), "usage goes to who asked"
    assert text_of(made) == upstream.text == "echo: one two three"
    assert (upstream.finish_reason, upstream.usage) == ("stop", Usage(3, 4))
    assert upstream.reply.model == "think-100"
    assert upstream.first_at is not None
    assert 0.09 < upstream.first_at - started < 1
    sent = server.requests()[-1]["body"]
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}


async def test_text_is_what_the_parsing_reader_gives(
    server: Witness, connections: Connections
) -> None:
    words = 'a "quoted" [DONE] 新闻 \\ data: {} ' + " ".join(map(str, range(200)))
    to = target(server, "ok", timeout=20.0)
    async with await opened(connections, to, ask(words)) as upstream:
        made = await pieces(upstream)
    answer = await connections.connector(to).chat(ask(words), on_delta=lambda _: None)
    assert text_of(made) == upstream.text == answer.text == f"echo: {words}"
    assert (upstream.usage, upstream.finish_reason) == (answer.usage, answer.finish_reason)


async def test_usage_for_who_asked(server: Witness, connections: Connections) -> None:
    for model, usage in (("ok", Usage(3, 4)), ("nousage", Usage(10, 5, estimated=True))):
        to = target(server, model, timeout=20.0)
        async with await opened(connections, to, ask(), usage=True) as upstream:
            values = values_of(await pieces(upstream))
        assert values[-1]["choices"] == []
        assert values[-1]["usage"]["completion_tokens"] == usage.output_tokens
        assert [bool(value["choices"]) for value in values].count(False) == 1
        assert upstream.usage == usage


async def test_missing_usage_is_estimated_when_it_is_wanted(
    server: Witness, connections: Connections
) -> None:
    for model in ("nousage", "badusage", "hugeusage"):
        async with await opened(connections, target(server, model), ask()) as upstream:
            await pieces(upstream)
        assert upstream.usage is None
        assert await upstream.counted() == Usage(10, 5, estimated=True)


@pytest.mark.parametrize("model", ["nodone", "dupdone"])
async def test_ends_that_are_tolerated(
    server: Witness, connections: Connections, model: str
) -> None:
    async with await opened(connections, target(server, model), ask()) as upstream:
        made = await pieces(upstream)
    assert text_of(made) == "echo: one two three"
    assert b"[DONE]" not in b"".join(made)


# model, kinds that are right, whether something was said before
FAULTS = [
    ("r429-3", "rate_limited", False),
    ("r401", "auth", False),
    ("r529", "server", False),
    ("html", "garbage", False),
    ("garbage", "garbage", False),
    ("empty", "garbage", False),
    ("rst", "connection", False),
    ("hang", "timeout", False),
    ("drip-0.3", "timeout", False),
    ("longline", "too_large", False),
    ("gzipbomb", "too_large timeout", False),
    ("badgzip", "garbage", False),
    ("bigheader", "garbage", False),
    ("redirect", "redirect", False),
    ("cut", "connection", True),
    ("errorevent", "server", None),  # both in one piece, or not
    ("stall", "timeout", True),
    ("endless", "too_large timeout", True),
]


@pytest.mark.parametrize(("model", "kinds", "begun"), FAULTS)
async def test_hostile_provider(
    server: Witness, connections: Connections, model: str, kinds: str, begun: bool | None
) -> None:
    """SAFETY C3: before the first word the opening fails, so that a fallback can be asked."""
    to = target(server, model)
    said: list[bytes] = []
    opening = True
    with pytest.raises(ChatError) as caught:
        async with await opened(connections, to, ask()) as upstream:
            opening = False
            async for piece in upstream.events():
                said.append(piece)
    assert caught.value.failure.kind in kinds.split()
    assert caught.value.failure.message.endswith(".")
    assert bool(said) is not opening
    assert begun in (None, bool(said))


async def test_a_broken_stream_tells_what_came(server: Witness, connections: Connections) -> None:
    upstream = await opened(connections, target(server, "cut"), ask())
    with pytest.raises(ChatError):
        await pieces(upstream)
    assert upstream.text == "half of"
    assert (await upstream.counted()).output_tokens == 2


async def test_a_name_that_leads_home_is_refused(server: Witness, connections: Connections) -> None:
    before = server.counts().requests
    _, failure = await failed(connections, target(server, "ok", local_allowed=False))
    assert failure.kind == "refused_address"
    assert server.counts().requests == before
    await (await opened(connections, target(server, "ok"), ask())).aclose()


async def test_an_answer_in_one_piece_is_streamed_all_the_same(
    server: Witness, connections: Connections
) -> None:
    for model, text in (("goodgzip", "echo: one two three"), ("huge50mb", None)):
        to = target(server, model, timeout=20.0)
        if text is None:
            assert (await failed(connections, to))[1].kind == "too_large"
            continue
        async with await opened(connections, to, ask(), usage=True) as upstream:
            made = await pieces(upstream)
        assert text_of(made) == upstream.text == text
        assert values_of(made)[-1]["usage"]["total_tokens"] == 7


@pytest.mark.parametrize("how", ["close", "cancel", "cancel while opening"])
async def test_who_hangs_up_is_heard(server: Witness, connections: Connections, how: str) -> None:
    """SAFETY E7: the provider sees the end within two seconds."""
    opening = how == "cancel while opening"
    model = ("hang+" if opening else "stall+") + how.replace(" ", "")
    to = target(server, model, timeout=60.0, idle_timeout=60.0)
    before = len(asyncio.all_tasks())

    async def read() -> None:
        async with await opened(connections, to, ask()) as upstream:
            async for _ in upstream.events():
                if how == "close":
                    return

    task = asyncio.create_task(read())
    if how == "close":
        await task
    else:
        await in_flight(server, model, 1)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    started = time.monotonic()
    await in_flight(server, model, 0)
    assert time.monotonic() - started < 2
    await asyncio.sleep(0.05)
    assert len(asyncio.all_tasks()) <= before


async def in_flight(server: Witness, model: str, calls: int) -> None:
    for _ in range(200):
        if server.counts(model).in_flight == calls:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"the server never saw {calls} calls in flight")


async def test_after_an_abort_the_sum_is_what_came(
    server: Witness, connections: Connections
) -> None:
    upstream = await opened(connections, target(server, "stall"), ask())
    await upstream.aclose()
    assert upstream.text == "then nothing"
    assert await upstream.counted() == Usage(10, 2, estimated=True)


@asynccontextmanager
async def scripted(sent: Sequence[bytes], pause: float = 0.0) -> AsyncIterator[tuple[Target, list]]:
    """A server that answers each call with these bytes, and the connections that it saw."""
    seen: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(size)
                kind = b"Content-Type: text/event-stream\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n" + kind + b"Transfer-Encoding: chunked\r\n\r\n")
                for piece in sent:
                    writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    await writer.drain()
                    await asyncio.sleep(pause)
                await asyncio.sleep(pause)
                writer.write(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    try:
        yield Target("m", "openai", "x", base_url=url, local_allowed=True, timeout=20.0), seen
    finally:
        listening.close()
        for writer in seen:
            writer.close()


def event(delta: dict, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "a", "model": "b", "choices": [choice]}) + b"\n\n"


WHOLE = (
    event({"content": "one"}) + event({"content": " two"}) + event({}, "stop") + b"data: [DONE]\n\n"
)


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
async def test_pieces_of_any_size(connections: Connections, size: int) -> None:
    sent = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]
    async with scripted(sent) as (to, _), await opened(connections, to, ask()) as upstream:
        made = await pieces(upstream)
    assert all(piece.endswith(b"\n\n") for piece in made)
    assert text_of(made) == "one two"


async def test_each_event_goes_on_when_it_comes(connections: Connections) -> None:
    sent = [event({"content": word}) for word in ("a", "b", "c")] + [event({}, "stop")]
    moments: list[float] = []
    async with scripted(sent, 0.05) as (to, _), await opened(connections, to, ask()) as upstream:
        async for _ in upstream.events():
            moments.append(time.monotonic())
    assert len(moments) == 4
    assert moments[-1] - moments[0] > 0.1


@pytest.mark.parametrize("pause", [0.0, 0.03])
async def test_a_connection_serves_stream_after_stream(
    connections: Connections, pause: float
) -> None:
    """Also where the end of the body comes after `[DONE]`; nobody waits for it."""
    async with scripted([WHOLE], pause) as (to, seen):
        for _ in range(3):
            async with await opened(connections, to, ask()) as upstream:
                await pieces(upstream)
            await asyncio.gather(*relay._draining)
        assert len(seen) == 1


async def test_a_stream_without_its_end_is_no_answer(connections: Connections) -> None:
    for sent in ([event({"content": "a"})], [event({"role": "assistant"})], []):
        async with scripted(sent) as (to, _):
            assert (await failed(connections, to))[1].kind == "connection"


async def test_other_connectors_have_the_same_face(
    server: Witness, connections: Connections
) -> None:
    langchain = target(server, "ok", provider="openai", timeout=20.0)
    targets = [Target("e", "echo", "echo"), Target(**{**_fields(langchain), "kind": "langchain"})]
    for to in targets:
        async with await opened(connections, to, ask("a b c"), usage=True) as upstream:
            made = await pieces(upstream)
        values = values_of(made)
        assert {(value["id"], value["model"]) for value in values} == {(OURS.id, OURS.model)}
        assert values[0]["choices"][0]["delta"]["role"] == "assistant"
        assert values[-2]["choices"][0]["finish_reason"] == "stop"
        assert values[-1]["usage"]["prompt_tokens"] == 3
        assert text_of(made).removeprefix("echo: ") == "a b c"
        assert upstream.text == text_of(made)
        assert upstream.first_at is not None
    refused = Target(**{**_fields(langchain), "kind": "langchain", "model_id": "r401"})
    assert (await failed(connections, refused))[1].kind == "auth"


async def test_leaving_another_connector_ends_its_call(
    server: Witness, connections: Connections
) -> None:
    to = target(server, "stall+lc", provider="openai", timeout=60.0)
    to = Target(**{**_fields(to), "kind": "langchain"})
    async with await opened(connections, to, ask()) as upstream:
        async for _ in upstream.events():
            break
    await in_flight(server, "stall+lc", 0)
    assert upstream.text == "then nothing"


def _fields(to: Target) -> dict:
    return {name: getattr(to, name) for name in to.__dataclass_fields__}


async def test_half_a_character_of_another_connector_is_a_question_mark() -> None:
    assert orjson.loads(OURS.text_chunk("\ud800")[6:])["choices"][0]["delta"]["content"] == "?"


@needs_model
async def test_the_embedded_model_goes_the_fast_way(
    connections: Connections, data_dir: Path
) -> None:
    to = Target("demo", "demo", "demo")
    request = ask("Name one colour.", params={"max_tokens": 8, "temperature": 0})
    try:
        for _ in range(2):
            async with await opened(connections, to, request) as upstream:
                made = await pieces(upstream)
            assert {value["model"] for value in values_of(made)} == {OURS.model}
            assert text_of(made) == upstream.text != ""
            assert upstream.usage is not None
            assert not upstream.usage.estimated
    finally:
        leave_demo(data_dir)


async def test_a_relay_stands_on_any_client(server: Witness) -> None:
    async with ChatClient() as client:
        upstream = await Relay(client).open(target(server, "ok"), ask(), OURS)
        assert text_of(await pieces(upstream)) == "echo: one two three"
