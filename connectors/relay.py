"""Forwards a chat stream as bytes: what a provider says goes on as soon as it is a whole event."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp

from connectors.answers import Reply, parse_completion
from connectors.body import build_body, encode
from connectors.client import CONNECT_TIMEOUT, CheckedClient, told_as_chat_errors, unsent
from connectors.failures import describe
from connectors.forwarding import Forwarder
from connectors.parameters import check_params
from connectors.reading import read_refusal, read_whole
from connectors.streaming import Body
from connectors.upstream import StreamAs, Upstream
from connectors.wire import ChatError, ChatRequest, Target

_UNLIMITED = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
"""aiohttp would set a timer for each piece; `Patience` is one for a stream."""


class Relay:
    """Streams of any OpenAI-compatible server over the connections of a client."""

    def __init__(self, client: CheckedClient) -> None:
        self._client = client

    async def open(self, target: Target, request: ChatRequest, named: StreamAs) -> Upstream:
        """Ask once and wait for the first word, so that until then another model can be asked.

        Raises ChatError.
        """
        with told_as_chat_errors(target):
            async with asyncio.timeout(target.timeout) as limit:
                try:
                    response = await self._post(target, request)
                except aiohttp.ClientOSError as error:
                    if not unsent(error):
                        raise
                    response = await self._post(target, request)
                try:
                    return await _begun(target, request, named, response, limit.when())
                except BaseException:
                    response.close()
                    raise

    async def _post(self, target: Target, request: ChatRequest) -> aiohttp.ClientResponse:
        endpoint = self._client.checked(target, "chat/completions")
        check_params(target.kind, request.params)
        body = build_body(target, request)
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
        return await self._client.session.post(
            endpoint.url,
            data=encode(target, body),
            headers=endpoint.headers,
            timeout=_UNLIMITED,
            allow_redirects=False,
        )


async def _begun(
    target: Target,
    request: ChatRequest,
    named: StreamAs,
    response: aiohttp.ClientResponse,
    deadline: float | None,
) -> Upstream:
    if response.status != 200:
        raise ChatError(await read_refusal(target, response))
    if response.content_type != "text/event-stream":
        return Whole(target, request, named, parse_completion(await read_whole(response)))
    streamed = Streamed(target, request, named, Body(response, target.idle_timeout, deadline))
    try:
        await streamed.begin()
    except BaseException:
        await streamed.aclose()
        raise
    return streamed


class Streamed(Upstream):
    """A provider's own events."""

    def __init__(self, target: Target, request: ChatRequest, named: StreamAs, body: Body) -> None:
        super().__init__(target, request, named)
        self._body = body
        self._forwarder = Forwarder(named.id, named.model, usage_asked=named.include_usage)
        self._first = b""
        self._left = False

    async def begin(self) -> None:
        """Read up to the first word; what came with it waits for `events`."""
        forwarder = self._forwarder
        held: list[bytes] = []
        while not forwarder.started and not forwarder.ended:
            data = await self._body.read()
            held.append(forwarder.feed(data) if data else forwarder.close())
            if not data:
                self._check_end()
                break
        self.first_at = time.perf_counter() if forwarder.started else None
        self._first = b"".join(held)
        self._take_sums()

    async def events(self) -> AsyncIterator[bytes]:
        forwarder, feed, read = self._forwarder, self._forwarder.feed, self._body.read
        try:
            if self._first:
                yield self._first
            with told_as_chat_errors(self._target):
                while not forwarder.ended:
                    data = await read()
                    if made := feed(data) if data else forwarder.close():
                        yield made
                    if not data:
                        self._check_end()
                        break
            self._leave()
            if self._named.include_usage and not forwarder.usage_passed:
                yield self._named.usage_chunk(await self.counted())
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        self._take_sums()
        if not self._left:
            self._body.hang_up()

    def _read(self) -> Reply:
        return self._forwarder.read()

    def _check_end(self) -> None:
        if not self._forwarder.ended and self._forwarder.finish_reason is None:
            detail = "the stream ended before its end was said"
            raise ChatError(describe("connection", self._target, detail=detail))

    def _take_sums(self) -> None:
        self.usage = self._forwarder.usage or self.usage
        self.finish_reason = self._forwarder.finish_reason

    def _leave(self) -> None:
        """Nobody waits for the end of the body: the client has its answer."""
        self._take_sums()
        self._left = True
        if not self._body.leave():
            draining = asyncio.create_task(self._body.drain())
            _draining.add(draining)
            draining.add_done_callback(_draining.discard)


_draining: set[asyncio.Task[None]] = set()


class Whole(Upstream):
    """An answer in one piece: the provider does not stream, though it was asked to."""

    def __init__(self, target: Target, request: ChatRequest, named: StreamAs, reply: Reply) -> None:
        super().__init__(target, request, named)
        self._given = reply
        self.first_at = time.perf_counter()
        self.usage, self.finish_reason = reply.usage, reply.finish_reason

    async def events(self) -> AsyncIterator[bytes]:
        named, reply = self._named, self._given
        made = named.chunk({"role": "assistant", "content": ""})
        made += named.text_chunk(reply.text) if reply.text else b""
        yield made + named.last_chunks(reply.tool_calls, reply.finish_reason)
        if named.include_usage:
            yield named.usage_chunk(await self.counted())

    async def aclose(self) -> None:
        """Nothing is open."""

    def _read(self) -> Reply:
        return self._given
