"""OpenAI's shapes of what we say ourselves: whole answers, chunks, usage, errors. Pure."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from core.errors import PromptstoneError, http_status
from serving.calls import Call

DONE = b"data: [DONE]\n\n"


def event(value: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def error_value(error: PromptstoneError) -> dict[str, Any]:
    """OpenAI's error object."""
    kind = http_status(error).type
    if error.code == "insufficient_quota":
        kind = "insufficient_quota"
    inner = {"message": error.message, "type": kind, "param": error.param, "code": error.code}
    return {"error": inner}


def completion(
    call: Call, text: str, finish_reason: str, tool_calls: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """A whole answer of `POST /v1/chat/completions`; `sources` for an app with a base."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if tool_calls:
        message["tool_calls"] = list(tool_calls)
        message["content"] = text or None
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    value: dict[str, Any] = {
        "id": call.id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": call.ref,
        "choices": [choice],
        "usage": call.usage(),
    }
    if call.release.manifest.retrieval is not None:
        value["sources"] = sources_json(call)
    return value


def invoked(call: Call, text: str) -> dict[str, Any]:
    """The answer of `POST /apps/APP/invoke`."""
    return {
        "request_id": call.id,
        "output": text,
        "sources": sources_json(call),
        "usage": call.usage(),
        "cost_usd": call.cost_usd(),
        "release": call.record.release,
        "latency_ms": round(call.elapsed_ms(), 3),
    }


def head_chunk(call: Call) -> bytes:
    """The first event of a stream that we begin ourselves, with the sources of an answer."""
    value = _chunk(call, {"role": "assistant", "content": ""}, None)
    if call.release.manifest.retrieval is not None:
        value["sources"] = sources_json(call)
    return event(value)


def content_chunk(call: Call, text: str, tool_calls: Sequence[Mapping[str, Any]]) -> bytes:
    """All of an answer as one event."""
    delta: dict[str, Any] = {"content": text}
    if tool_calls:
        delta["tool_calls"] = [{"index": at, **one} for at, one in enumerate(tool_calls)]
    return event(_chunk(call, delta, None))


def finish_chunk(call: Call, reason: str) -> bytes:
    """The event that says why an answer ended."""
    return event(_chunk(call, {}, reason))


def usage_chunk(call: Call) -> bytes:
    """OpenAI's last event with `include_usage`."""
    value = _chunk(call, {}, None)
    value["choices"], value["usage"] = [], call.usage()
    return event(value)


def _chunk(call: Call, delta: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {
        "id": call.id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": call.ref,
        "choices": [choice],
    }


def sources_json(call: Call) -> list[dict[str, Any]]:
    """The sources of an answer as clients get them."""
    return [
        {
            "n": one.n,
            "document": one.document,
            "chunk_id": one.chunk_id,
            "text": one.text,
            "score": one.score,
            "page": one.page,
        }
        for one in call.sources
    ]
