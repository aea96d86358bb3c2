"""What the generated interface description says of routes that read their bodies themselves."""

from typing import Any

_PART: dict[str, Any] = {
    "type": "object",
    "required": ["type", "text"],
    "additionalProperties": False,
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
}
_TURN: dict[str, Any] = {
    "type": "object",
    "required": ["role", "content"],
    "additionalProperties": False,
    "properties": {
        "role": {"type": "string", "enum": ["user", "assistant"]},
        "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": _PART}]},
        "name": {"type": "string"},
    },
}
_SHARED: dict[str, Any] = {
    "messages": {"type": "array", "items": _TURN, "maxItems": 1000},
    "inputs": {"type": "object", "description": "the app's variables"},
    "stream": {"type": "boolean"},
    "user": {"type": "string", "maxLength": 256},
    "conversation": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,128}$"},
}


def _body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return body_of(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
            "required": required,
        }
    )


def body_of(schema: dict[str, Any]) -> dict[str, Any]:
    """A route's body, which it reads itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


CHAT = _body(
    {
        "model": {"type": "string", "minLength": 1, "description": "APP, APP@ALIAS or APP@N"},
        **_SHARED,
        "stream_options": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"include_usage": {"type": "boolean"}},
        },
    },
    ["model", "messages"],
)
INVOKE = _body(_SHARED, [])

_ERROR: dict[str, Any] = {
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "error": {
                        "type": "object",
                        "properties": {
                            "message": {"type": "string"},
                            "type": {"type": "string"},
                            "param": {"type": ["string", "null"]},
                            "code": {"type": ["string", "null"]},
                        },
                    }
                },
            }
        }
    }
}
_TOLD = {
    400: "no valid request",
    401: "no key, or one that is no longer good",
    403: "a key that may not do this",
    404: "no such app, release or call for this key",
    405: "no such method",
    409: "the same Idempotency-Key is still running",
    413: "more than 1 MiB",
    422: "a field that is wrong or cannot be sent, named in `param`",
    429: "a limit of the key, with Retry-After",
    503: "no model of the app answered",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, **_ERROR} for status, text in _TOLD.items()
}
CALLS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the answer, or its events with `stream`",
        "content": {"text/event-stream": {}},
    },
    **REFUSALS,
}
