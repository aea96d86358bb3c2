"""OpenAI's wire on aiohttp and orjson: one session a loop, no Pydantic and no retry in here."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import aiohttp
import orjson
from yarl import URL

from connectors.address import parse_address, refusal
from connectors.answers import parse_completion, parse_json
from connectors.body import build_body
from connectors.failures import describe
from connectors.parameters import check_params
from connectors.reading import failure_of, read_refusal, read_stream, read_whole
from connectors.resolver import CheckedResolver, RefusedHost
from connectors.tokens import estimate_usage
from connectors.wire import (
    ChatAnswer,
    ChatError,
    ChatRequest,
    OnDelta,
    Target,
)

CONNECT_TIMEOUT = 10.0


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
            connector=aiohttp.TCPConnector(limit=0, resolver=self._resolver, use_dns_cache=False),
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
            raise ChatError(failure_of(target, error)) from None

    async def model_ids(self, target: Target) -> list[str]:
        """What the server says it can serve; empty when it does not say. Raises ChatError."""
        try:
            endpoint = self._checked(target)
            assert self._session is not None, "ChatClient is used outside of `async with`"
            async with self._session.get(
                endpoint.url.parent.parent / "models",
                headers=endpoint.headers,
                timeout=endpoint.whole,
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise ChatError(await read_refusal(target, response))
                listed = parse_json(await read_whole(response)).get("data")
        except (ChatError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise ChatError(failure_of(target, error)) from None
        found = cast(list[object], listed) if isinstance(listed, list) else []
        rows = [cast(dict[str, object], row) for row in found if isinstance(row, dict)]
        return [row["id"] for row in rows if isinstance(row.get("id"), str)]  # type: ignore[misc]

    async def _ask(
        self, target: Target, request: ChatRequest, on_delta: OnDelta | None, started: float
    ) -> ChatAnswer:
        endpoint = self._checked(target)
        check_params(target.kind, request.params)
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
                raise ChatError(await read_refusal(target, response))
            first = None
            if on_delta is not None and response.content_type == "text/event-stream":
                reply, first = await read_stream(target, response, on_delta)
            else:
                reply = parse_completion(await read_whole(response))
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
