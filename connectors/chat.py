"""OpenAI's wire on aiohttp and orjson: one session a loop, no Pydantic and no retry in here."""

import asyncio
import time
from typing import cast

import aiohttp

from connectors.answers import parse_completion, parse_json
from connectors.body import build_body, encode
from connectors.client import CheckedClient, told_as_chat_errors, unsent
from connectors.parameters import check_params
from connectors.reading import read_refusal, read_stream, read_whole
from connectors.tokens import estimate_usage
from connectors.wire import (
    ChatAnswer,
    ChatError,
    ChatRequest,
    OnDelta,
    Target,
)


class ChatClient(CheckedClient):
    """/v1/chat/completions and /v1/models of any server."""

    async def chat(
        self, target: Target, request: ChatRequest, *, on_delta: OnDelta | None = None
    ) -> ChatAnswer:
        """Ask once; with `on_delta` the answer is streamed to it. Raises ChatError."""
        started = time.perf_counter()
        with told_as_chat_errors(target):
            try:
                return await self._ask(target, request, on_delta, started)
            except aiohttp.ClientOSError as error:
                if not unsent(error):
                    raise
                return await self._ask(target, request, on_delta, started)

    async def model_ids(self, target: Target) -> list[str]:
        """What the server says it can serve; empty when it does not say. Raises ChatError."""
        with told_as_chat_errors(target):
            endpoint = self.checked(target, "models")
            async with self.session.get(
                endpoint.url,
                headers=endpoint.headers,
                timeout=endpoint.whole,
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise ChatError(await read_refusal(target, response))
                listed = parse_json(await read_whole(response)).get("data")
        found = cast(list[object], listed) if isinstance(listed, list) else []
        rows = [cast(dict[str, object], row) for row in found if isinstance(row, dict)]
        return [row["id"] for row in rows if isinstance(row.get("id"), str)]  # type: ignore[misc]

    async def _ask(
        self, target: Target, request: ChatRequest, on_delta: OnDelta | None, started: float
    ) -> ChatAnswer:
        endpoint = self.checked(target, "chat/completions")
        check_params(target.kind, request.params)
        body = build_body(target, request)
        if on_delta is not None:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        async with self.session.post(
            endpoint.url,
            data=encode(target, body),
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
