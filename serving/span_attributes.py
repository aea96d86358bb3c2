"""What a span of a call or of one of its steps is named and carries, by the GenAI conventions."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from connectors.wire import Target
from serving.calls import Call
from serving.records import Step

_OPERATIONS = {"call": "chat", "fallback": "chat", "retrieve": "retrieval"}
_PROVIDERS = {"openai": "openai", "demo": "promptstone", "echo": "promptstone"}
"""A flavour of the wire, as the conventions mean it; LangChain's names are its own."""
Attributes = dict[str, str | int | float | bool]


def asks_model(step: Step) -> bool:
    """Whether a step is a request to a model."""
    return _OPERATIONS.get(step.kind) == "chat"


def span_name(call: Call, step: Step) -> str:
    """The operation and what it is done with; a step of our own keeps its name."""
    target = _target(call, step)
    named = step.name if target is None else target.model_id
    return f"{_OPERATIONS.get(step.kind, step.kind)} {named}".rstrip()


def _target(call: Call, step: Step) -> Target | None:
    """The model that a step asked."""
    if not asks_model(step):
        return None
    found = (door.target for door in call.release.doors if door.target.name == step.name)
    return next(found, None)


def is_streamed(call: Call, step: Step) -> bool:
    """Whether this step is the request whose words were passed on as they came."""
    return asks_model(step) and step.ok and call.record.stream and "tokens" not in step.detail


def of_step(call: Call, step: Step) -> Attributes:
    """What the span of a step carries; nothing that was said."""
    made: Attributes = {"promptstone.step": step.kind}
    operation = _OPERATIONS.get(step.kind)
    if operation is None:
        return made
    made["gen_ai.operation.name"] = operation
    if not step.ok:
        made["error.type"] = "_OTHER"
    if operation == "retrieval":
        return {**made, "gen_ai.data_source.id": step.name}
    target = _target(call, step)
    if target is not None:
        made["gen_ai.provider.name"] = _PROVIDERS.get(target.kind, target.provider)
        made["gen_ai.request.model"] = target.model_id
    made["gen_ai.request.stream"] = call.record.stream
    tokens = step.detail.get("tokens")
    if is_streamed(call, step):
        tokens = call.tokens_in, call.tokens_out
    if tokens is not None:
        made["gen_ai.usage.input_tokens"], made["gen_ai.usage.output_tokens"] = tokens
    return made


def of_call(call: Call, *, captures: bool) -> Attributes:
    """What the span of a whole call carries; `captures` adds messages that the app keeps too."""
    record = call.record
    found: dict[str, str | int | float | bool | None] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "promptstone",
        "gen_ai.agent.name": record.app,
        "gen_ai.agent.version": str(record.release),
        "gen_ai.conversation.id": record.conversation,
        "gen_ai.request.stream": record.stream,
        "gen_ai.response.id": record.id,
        "gen_ai.response.model": record.model,
        "gen_ai.usage.input_tokens": record.input_tokens,
        "gen_ai.usage.output_tokens": record.output_tokens,
        "gen_ai.response.time_to_first_chunk": _seconds(record.ttft_ms),
        "http.response.status_code": record.status,
        "error.type": record.error_kind,
        "promptstone.alias": record.alias,
        "promptstone.canary": record.canary,
        "promptstone.cost_usd": None if record.cost is None else format(record.cost, "f"),
    }
    if captures and record.content is not None:
        content = call.content
        said = {"role": "assistant", "content": content.output, "tool_calls": content.tool_calls}
        reason = "error" if record.error else "tool_call" if content.tool_calls else "stop"
        given = [_message(one) for one in content.messages]
        found["gen_ai.input.messages"] = orjson.dumps(given).decode()
        found["gen_ai.output.messages"] = orjson.dumps(
            [{**_message(said), "finish_reason": reason}]
        ).decode()
    return {name: value for name, value in found.items() if value is not None}


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": message["role"], "parts": list(_parts(message))}


def _parts(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str) and content:
        yield {"type": "text", "content": content}
    elif isinstance(content, list):
        for part in content:
            text = part.get("text")
            yield part if text is None else {"type": "text", "content": text}
    for call in message.get("tool_calls") or ():
        asked = call.get("function") or {}
        yield {
            "type": "tool_call",
            "id": call.get("id"),
            "name": asked.get("name", ""),
            "arguments": asked.get("arguments"),
        }
