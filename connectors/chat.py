"""OpenAI's wire on aiohttp and orjson: one session a loop, no Pydantic and no retry in here."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import aiohttp
import orjson
from yarl import URL

from connectors.address import CheckedResolver, RefusedAddress, RefusedHost, parse_address, refusal
from connectors.answers import (
    MAX_ANSWER,
    ErrorEvent,
    Garbage,
    Reply,
    SseReader,
    TooLarge,
    add_chunk,
    parse_completion,
    parse_json,
)
from connectors.body import build_body
from connectors.failures import describe, from_error_value, from_status
from connectors.tokens import estimate_usage
from connectors.wire import (
    ChatAnswer,
    ChatError,
    ChatFailure,
    ChatRequest,
    OnDelta,
    Target,
)

CONNECT_TIMEOUT = 10.0
MAX_ERROR = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Endpoint:
    url: URL
    headers: Mapping[str, str]
    whole: aiohttp.ClientTimeout
    stream: aiohttp.ClientTimeout
    place: tuple[str, int]
    refused: str | None


@lru_cache(maxsize=256)
def _endpoint(target: Target) -> _Endpoint:
    """All of a call that is the same for every call of a target; raises RefusedAddress."""
    address = parse_address(target.base_url)
    # Answers are small and a compressed one can be a bomb: none is asked for.
    headers = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "promptstone",
    }
    if target.api_key:
        headers["Authorization"] = f"Bearer {target.api_key}"
    refused = None
    if address.ip is not None:
        refused = refusal(
            address.host, address.port, address.ip, local_allowed=target.local_allowed
        )
    return _Endpoint(
        URL(f"{address.url}/chat/completions", encoded=True),
        headers,
        aiohttp.ClientTimeout(total=target.timeout, sock_connect=CONNECT_TIMEOUT),
        aiohttp.ClientTimeout(
            total=target.timeout, sock_connect=CONNECT_TIMEOUT, sock_read=target.idle_timeout
        ),
        (address.host, address.port),
        refused,
    )


class ChatClient:
    """Calls of one event loop; `async with` opens and closes its connections."""

    def __init__(self, resolver: CheckedResolver | None = None) -> None:
        self._resolver = resolver or CheckedResolver()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "ChatClient":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=self._resolver, ttl_dns_cache=10),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def chat(
        self, target: Target, request: ChatRequest, *, on_delta: OnDelta | None = None
    ) -> ChatAnswer:
        """Ask once; with `on_delta` the answer is streamed to it. Raises ChatError."""
        started = time.perf_counter()
        try:
            try:
                return await self._ask(target, request, on_delta, started)
            except aiohttp.ClientOSError as error:
                if not _unsent(error):
                    raise
                return await self._ask(target, request, on_delta, started)
        except (ChatError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise ChatError(_failure_of(target, error)) from None

    async def _ask(
        self, target: Target, request: ChatRequest, on_delta: OnDelta | None, started: float
    ) -> ChatAnswer:
        endpoint = self._checked(target)
        body = build_body(target, request)
        if on_delta is not None:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        assert self._session is not None, "ChatClient is used outside of `async with`"
        async with self._session.post(
            endpoint.url,
            data=_encode(target, body),
            headers=endpoint.headers,
            timeout=endpoint.whole if on_delta is None else endpoint.stream,
            allow_redirects=False,
        ) as response:
            if response.status != 200:
                raise ChatError(await _refusal_of(target, response))
            first = None
            if on_delta is not None and response.content_type == "text/event-stream":
                reply, first = await _read_stream(target, response, on_delta)
            else:
                reply = parse_completion(await _read_whole(response))
                if on_delta is not None and reply.text:
                    on_delta(reply.text)
        ended = time.perf_counter()
        usage = reply.usage or await asyncio.to_thread(
            estimate_usage, request.messages, reply.text, target.model_id
        )
        return ChatAnswer(
            text=reply.text,
            tool_calls=reply.tool_calls,
            finish_reason=reply.finish_reason,
            usage=usage,
            ttft_ms=None if first is None else (first - started) * 1000,
            latency_ms=(ended - started) * 1000,
            model=reply.model,
        )

    def _checked(self, target: Target) -> _Endpoint:
        endpoint = _endpoint(target)
        if endpoint.refused is not None:
            raise RefusedHost(endpoint.refused)
        # The allowlist is read anew for each call, so that an entry can be taken back.
        if target.local_allowed:
            self._resolver.allowed.add(endpoint.place)
        else:
            self._resolver.allowed.discard(endpoint.place)
        return endpoint


def _encode(target: Target, body: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError as error:
        detail = f"it cannot be written as JSON: {error}"
        raise ChatError(describe("bad_request", target, detail=detail)) from None


def _unsent(error: aiohttp.ClientOSError) -> bool:
    """Whether a kept connection was found closed before a single byte of the call was written."""
    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientConnectionResetError) and "closing" in str(cause)


async def _refusal_of(target: Target, response: aiohttp.ClientResponse) -> ChatFailure:
    raw = bytearray()
    try:
        async for piece in _pieces(response, MAX_ERROR):
            raw += piece
    except (TooLarge, Garbage, aiohttp.ClientError, TimeoutError):
        # The status alone says enough.
        pass
    return from_status(target, response.status, response.headers, bytes(raw))


async def _read_whole(response: aiohttp.ClientResponse) -> bytes | bytearray:
    length = response.content_length
    if length is not None and length <= MAX_ANSWER and "Content-Encoding" not in response.headers:
        return await response.read()
    raw = bytearray()
    async for piece in _pieces(response, MAX_ANSWER):
        raw += piece
    return raw


async def _read_stream(
    target: Target, response: aiohttp.ClientResponse, on_delta: OnDelta
) -> tuple[Reply, float | None]:
    """The whole reply and when its first text came; a stream without an end is no answer."""
    reply, reader, texts = Reply(), SseReader(), list[str]()
    first: float | None = None
    async for payload in _payloads(response, reader):
        if payload == b"[DONE]":
            await _leave(target, response)
            break
        text = add_chunk(reply, parse_json(payload))
        if first is None and (text or reply.tool_calls):
            first = time.perf_counter()
        if text:
            texts.append(text)
            on_delta(text)
    else:
        if reply.finish_reason is None:
            detail = "the stream ended before its end was said"
            raise ChatError(describe("connection", target, detail=detail))
    reply.text = "".join(texts)
    return reply, first


async def _leave(target: Target, response: aiohttp.ClientResponse) -> None:
    """Read the little that follows `[DONE]`, so that the connection can be used again."""
    if target.local_allowed:
        # llama.cpp closes after a stream without saying so, and a new connection costs nothing.
        response.close()
        return
    try:
        async with asyncio.timeout(0.2):
            async for _ in _pieces(response, MAX_ERROR):
                pass
    except (TimeoutError, TooLarge, Garbage, aiohttp.ClientError):
        response.close()


async def _payloads(response: aiohttp.ClientResponse, reader: SseReader) -> AsyncIterator[bytes]:
    async for piece in _pieces(response, MAX_ANSWER):
        for payload in reader.feed(piece):
            yield payload
    for payload in reader.close():
        yield payload


async def _pieces(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    """The body, unpacked where a server packs unasked; raises TooLarge beyond `limit` bytes."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "deflate"):
        raise Garbage(f"packed as {encoding[:20]}, though nothing packed was asked for")
    packed = encoding in ("gzip", "deflate")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if packed else None
    size = 0
    async for piece in response.content.iter_any():
        if unpacker is not None:
            piece = _unpack(unpacker, piece, limit - size + 1)
        size += len(piece)
        if size > limit:
            raise TooLarge(f"more than {limit >> 20 or 1} MiB")
        yield piece


def _unpack(unpacker: "zlib._Decompress", piece: bytes, most: int) -> bytes:
    try:
        return unpacker.decompress(piece, max(1, most))
    except zlib.error as error:
        raise Garbage(f"a broken packing: {error}") from None


def _failure_of(target: Target, error: Exception) -> ChatFailure:
    """The failure behind an exception of reading, connecting or parsing."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match cause:
        case RefusedHost() | RefusedAddress():
            return ChatFailure("refused_address", str(cause), fatal_for_model=True)
        case ErrorEvent():
            return from_error_value(target, cause.error)
        case TooLarge():
            return describe("too_large", target, detail=str(cause))
        case Garbage() | aiohttp.ClientResponseError():
            return describe("garbage", target, detail=str(cause))
        case aiohttp.ConnectionTimeoutError():
            return describe("connection", target, detail="no connection within 10 seconds")
        case TimeoutError():
            return describe("timeout", target, detail=f"the limit is {target.timeout:g} seconds")
        case aiohttp.ClientError() | OSError():
            return describe("connection", target, detail=_plain(error, target))
        case _:
            return describe("bad_request", target, detail=f"{type(cause).__name__}: {cause}")


def _plain(error: Exception, target: Target) -> str:
    """Connection trouble in words; the system's texts differ from machine to machine."""
    host = parse_address(target.base_url).host
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"the name {host} is not known"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {host} is not trusted"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "no server listens there"
        case aiohttp.ClientSSLError():
            return "no TLS there; is it http:// instead of https://?"
        case _:
            return f"the connection broke off ({type(error).__name__})"
