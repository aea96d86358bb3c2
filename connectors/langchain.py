"""Any `provider:model` of LangChain behind the connector interface.

For providers that do not speak OpenAI's wire. A call costs some 4 ms of CPU here, forty times that
of `chat.py`. A base URL is checked before each call. The clients of `openai` and `azure_openai`
connect to the IP that was checked; others open connections of their own, by name.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import orjson

from connectors.address import RefusedAddress, parse_address, refusal
from connectors.body import with_schema
from connectors.failures import describe, from_status
from connectors.parameters import check_params
from connectors.resolver import CheckedResolver, RefusedHost
from connectors.tokens import estimate_usage
from connectors.wire import (
    ChatAnswer,
    ChatError,
    ChatFailure,
    ChatRequest,
    FailureKind,
    OnDelta,
    Target,
    Usage,
    content_text,
)
from core.canonical import Json

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


_PINNED = ("openai", "azure_openai")
_REFUSALS = (RefusedHost, RefusedAddress)


class LangChainConnector:
    """One LangChain model; a schema travels as an instruction in the messages."""

    def __init__(self, target: Target, resolver: CheckedResolver | None = None) -> None:
        self._target = target
        self._resolver = resolver or CheckedResolver()
        self._models: dict[bytes, BaseChatModel] = {}

    async def chat(self, request: ChatRequest, *, on_delta: OnDelta | None = None) -> ChatAnswer:
        """Ask once; with `on_delta` the text is streamed to it. Raises ChatError."""
        started = time.perf_counter()
        try:
            await self._check_address()
            check_params(self._target.kind, request.params)
            model = self._model(request)
            messages = self._messages(request)
            first: float | None = None
            if on_delta is None:
                message: Any = await model.ainvoke(messages)
            else:
                message = None
                async for chunk in model.astream(messages):
                    message = chunk if message is None else message + chunk
                    if text := content_text(chunk.content):
                        first = first or time.perf_counter()
                        on_delta(text)
        except ChatError:
            raise
        except Exception as error:
            raise ChatError(_failure_of(self._target, error)) from None
        return await self._answer(request, message, started, first)

    async def _answer(
        self, request: ChatRequest, message: Any, started: float, first: float | None
    ) -> ChatAnswer:
        ended = time.perf_counter()
        if message is None:
            raise ChatError(describe("garbage", self._target, detail="an empty stream"))
        text = content_text(message.content)
        meta = cast(dict[str, Any], message.response_metadata or {})
        model_id = self._target.model_id
        usage = _usage(message.usage_metadata) or await asyncio.to_thread(
            estimate_usage, request.messages, text, model_id
        )
        return ChatAnswer(
            text=text,
            tool_calls=_calls(message.tool_calls),
            finish_reason=meta.get("finish_reason") or meta.get("stop_reason"),
            usage=usage,
            ttft_ms=None if first is None else (first - started) * 1000,
            latency_ms=(ended - started) * 1000,
            model=str(meta.get("model_name") or meta.get("model") or model_id),
        )

    def _messages(self, request: ChatRequest) -> Any:
        if request.schema is None or self._target.structured == "off":
            return list(request.messages)
        return with_schema(request.messages, request.schema)

    def _model(self, request: ChatRequest) -> Any:
        """A model object for these parameters; made once, for it holds a connection pool."""
        key = orjson.dumps([request.params, request.tools], option=orjson.OPT_SORT_KEYS)
        if key not in self._models:
            self._models[key] = _init_model(self._target, request, self._resolver)
        return self._models[key]

    async def _check_address(self) -> None:
        target = self._target
        if not target.base_url:
            return
        address = parse_address(target.base_url)
        place = (address.host, address.port)
        if target.local_allowed:
            self._resolver.allowed.add(place)
        if address.ip is not None:
            why = refusal(*place, address.ip, local_allowed=target.local_allowed)
            if why is not None:
                raise RefusedHost(why)
            return
        await self._resolver.resolve(*place)


def _init_model(target: Target, request: ChatRequest, resolver: CheckedResolver) -> Any:
    # Tracing sends prompts to a third party when an environment variable happens to be set.
    os.environ["LANGSMITH_TRACING"] = os.environ["LANGCHAIN_TRACING_V2"] = "false"
    from langchain.chat_models import init_chat_model

    settings: dict[str, Any] = {**request.params, "timeout": target.timeout, "max_retries": 0}
    if target.base_url:
        settings["base_url"] = target.base_url
    if target.api_key:
        settings["api_key"] = target.api_key
    if target.provider in _PINNED:
        settings |= _openai_settings(target, resolver)
    model = init_chat_model(target.model_id, model_provider=target.provider, **settings)
    return model.bind_tools(cast(Any, list(request.tools))) if request.tools else model


def _openai_settings(target: Target, resolver: CheckedResolver) -> dict[str, Any]:
    """A client of this loop's own: the shared one of LangChain follows redirects and dies with
    the first loop that used it."""
    from connectors.pinned import pinned_client

    return {"stream_usage": True, "http_async_client": pinned_client(resolver, target.timeout)}


def _failure_of(target: Target, error: Exception) -> ChatFailure:
    refused = next((one for one in _causes(error) if isinstance(one, _REFUSALS)), None)
    if refused is not None:
        return ChatFailure("refused_address", str(refused), fatal_for_model=True)
    if isinstance(error, ImportError):
        message = f"The model {target.name} needs a package that is missing. {error}"
        return ChatFailure("not_found", message, fatal_for_model=True)
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    if isinstance(status, int):
        body = orjson.dumps({"error": getattr(error, "body", None) or {"message": str(error)}})
        return from_status(target, status, getattr(response, "headers", {}), body)
    name = type(error).__name__
    kind: FailureKind = "bad_request"
    if "Timeout" in name:
        kind = "timeout"
    elif "Connect" in name or isinstance(error, OSError):
        kind = "connection"
    elif "api_key" in str(error).lower() or "credential" in str(error).lower():
        kind = "auth"
    return describe(kind, target, detail=f"{name}: {error}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it: the SDK wraps what its transport raises."""
    while error is not None:
        yield error
        error = error.__cause__


def _usage(value: Any) -> Usage | None:
    if not value:
        return None
    return Usage(int(value.get("input_tokens") or 0), int(value.get("output_tokens") or 0))


def _calls(calls: Sequence[Any]) -> list[dict[str, Json]]:
    return [
        {
            "id": call.get("id") or "",
            "type": "function",
            "function": {
                "name": call.get("name") or "",
                "arguments": orjson.dumps(call.get("args") or {}).decode(),
            },
        }
        for call in calls
    ]
