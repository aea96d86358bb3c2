"""What is sent: a request as OpenAI's JSON, and the key by which equal requests share an answer."""

from collections.abc import Mapping, Sequence
from typing import cast

import orjson

from connectors.failures import describe
from connectors.wire import ChatError, ChatRequest, Message, Target, request_key
from core.canonical import Json


def build_body(target: Target, request: ChatRequest) -> dict[str, Json]:
    """The JSON object of one call, without what streaming adds."""
    body: dict[str, Json] = {"model": target.model_id, "messages": request.messages}
    body.update(request.params)
    if request.tools:
        body["tools"] = request.tools
    if request.schema is not None and target.structured == "native":
        body["response_format"] = response_format(request.schema)
    if request.schema is not None and target.structured == "prompt":
        body["messages"] = with_schema(request.messages, request.schema)
    return body


def encode(target: Target, body: Mapping[str, object]) -> bytes:
    """The bytes of a body; raises ChatError for what no JSON can hold."""
    try:
        return orjson.dumps(body)
    except TypeError as error:
        detail = f"it cannot be written as JSON: {error}"
        raise ChatError(describe("bad_request", target, detail=detail)) from None


def response_format(schema: Mapping[str, Json]) -> dict[str, Json]:
    """OpenAI's `response_format`; `strict` only where the schema keeps the rules of strict mode."""
    name = schema.get("title")
    plain = isinstance(name, str) and name.isascii() and name.replace("_", "").isalnum()
    inner: dict[str, Json] = {"name": name if plain else "answer", "schema": schema}
    if is_strict(schema):
        inner["strict"] = True
    return {"type": "json_schema", "json_schema": inner}


def is_strict(schema: object) -> bool:
    """Whether every object in a JSON schema is closed and requires all of its properties."""
    if isinstance(schema, list | tuple):
        return all(map(is_strict, cast(Sequence[object], schema)))
    if not isinstance(schema, Mapping):
        return True
    found = cast(Mapping[str, object], schema)
    if found.get("type") == "object" or "properties" in found:
        properties, required = found.get("properties", {}), found.get("required", [])
        if found.get("additionalProperties") is not False:
            return False
        if not isinstance(properties, Mapping) or not isinstance(required, list | tuple):
            return False
        if set(cast(Mapping[str, object], properties)) != set(cast(Sequence[object], required)):
            return False
    return all(map(is_strict, found.values()))


def with_schema(messages: Sequence[Message], schema: Mapping[str, Json]) -> list[Message]:
    """The messages with the schema as an instruction, for servers that know no response_format."""
    given = list(messages)
    text = (
        "Answer with one JSON value that is valid against this JSON schema, and nothing else:\n"
        + orjson.dumps(schema).decode()
    )
    if given and given[0].get("role") == "system":
        first = {**given[0], "content": f"{given[0].get('content') or ''}\n\n{text}"}
        return [first, *given[1:]]
    return [{"role": "system", "content": text}, *given]


def key_of(target: Target, request: ChatRequest, repeat: int) -> str:
    """The request key of a call (sha256, hex): of what `build_body` would send, and the repeat."""
    body = build_body(target, request)
    messages = cast(list[Message], body.pop("messages"))
    tools = cast(list[Mapping[str, Json]] | None, body.pop("tools", None))
    schema = cast(Mapping[str, Json] | None, body.pop("response_format", None))
    del body["model"]
    return request_key(target.origin, target.model_id, messages, tools, schema, body, repeat)
