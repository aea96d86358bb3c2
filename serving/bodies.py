"""What a client sends, read without trust: nothing extra is accepted, nothing is ignored. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from core.errors import Invalid, TooLarge

MAX_BODY = 2**20
MAX_DEPTH = 32
MAX_MESSAGES = 1000
_CONVERSATION = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_MOST_USER = 256
_CHAT = frozenset({"model", "messages", "stream", "stream_options", "user", "inputs",
                   "conversation"})  # fmt: skip
_INVOKE = frozenset({"inputs", "messages", "stream", "user", "conversation"})
_ROLES = frozenset({"user", "assistant"})
_EMPTY = frozenset({"refusal", "annotations", "audio", "function_call", "tool_calls"})
"""What SDKs leave without a value in an answer that they send back as a turn."""

Turn = dict[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as its client meant it; `model` is null where the path names the app."""

    model: str | None
    messages: list[Turn]
    inputs: dict[str, Any]
    stream: bool = False
    include_usage: bool = False
    user: str | None = None
    conversation: str | None = None


def read_chat(raw: bytes) -> Asked:
    """The body of `POST /v1/chat/completions`; raises Invalid that names the field."""
    body = _object(raw)
    _nothing_extra(body, _CHAT)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Invalid("model is missing. Name an app: APP, APP@ALIAS or APP@N.", param="model")
    if "messages" not in body:
        raise Invalid("messages is missing. Send a list, empty for an app that takes only "
                      "inputs.", param="messages")  # fmt: skip
    return _asked(body, model, _usage_wanted(body))


def read_invoke(raw: bytes) -> Asked:
    """The body of `POST /apps/APP/invoke`; raises Invalid that names the field."""
    body = _object(raw)
    _nothing_extra(body, _INVOKE)
    return _asked(body, None, include_usage=True)


def _asked(body: Mapping[str, Any], model: str | None, include_usage: bool) -> Asked:
    return Asked(
        model=model,
        messages=read_turns(body.get("messages")),
        inputs=_inputs(body.get("inputs")),
        stream=_boolean(body, "stream"),
        include_usage=include_usage,
        user=_user(body.get("user")),
        conversation=_conversation(body.get("conversation")),
    )


def parse_object(raw: bytes) -> dict[str, Any]:
    """Any JSON object of a client; raises Invalid or TooLarge."""
    return _object(raw)


def _object(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BODY:
        raise TooLarge("The body has more than 1 MiB. Send less.")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The body is no JSON: {error.msg}. Send one JSON object.") from None
    if not isinstance(value, dict):
        raise Invalid("The body is JSON, but no object. Send one JSON object.")
    return cast(dict[str, Any], value)


def _nothing_extra(body: Mapping[str, Any], known: frozenset[str]) -> None:
    for name in body:
        if name not in known:
            raise Invalid(
                f"{name[:64]!r} cannot be sent: an app is frozen, and only its inputs change. "
                "Remove the field.",
                param=name[:64],
                code="frozen",
            )


def read_turns(value: object) -> list[Turn]:
    """Messages of user and assistant, none for null; raises Invalid."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(" is no list")
    found = cast(list[object], value)
    if len(found) > MAX_MESSAGES:
        raise _wrong(f" has more than {MAX_MESSAGES} entries")
    return [_turn(at, one) for at, one in enumerate(found)]


def _turn(at: int, value: object) -> Turn:
    if not isinstance(value, dict):
        raise _wrong(f"[{at}] is no object")
    message = cast(dict[str, object], value)
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        shown = repr(role)[:40]
        raise _wrong(f"[{at}] has the role {shown}; an app takes user and assistant only")
    for name, inner in message.items():
        if name not in ("role", "content", "name") and (name not in _EMPTY or inner):
            raise _wrong(f"[{at}] has the field {name[:40]!r}, which an app does not take")
    if not isinstance(message.get("name", ""), str):
        raise _wrong(f"[{at}] has a name that is no text")
    return {"role": role, "content": _content(at, message.get("content"))}


def _content(at: int, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = cast(list[object], value)
        texts = [_part(at, part) for part in parts]
        return "".join(texts)
    raise _wrong(f"[{at}] has no text as its content")


def _part(at: int, value: object) -> str:
    part = cast(dict[str, object], value) if isinstance(value, dict) else {}
    text = part.get("text")
    if part.keys() == {"type", "text"} and part["type"] == "text" and isinstance(text, str):
        return text
    raise _wrong(f"[{at}] has a part that is not {{type: text, text}}; an app takes texts only")


def _wrong(what: str) -> Invalid:
    return Invalid(f"messages{what}. Send [{{role, content}}, …].", param="messages")


def _inputs(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid("inputs is no object. Send {variable: value}.", param="inputs")
    found = cast(dict[str, Any], value)
    _shallow(found, MAX_DEPTH)
    return found


def _shallow(value: object, left: int) -> None:
    if isinstance(value, str):
        if not value.isascii():
            _keepable(value)
    elif isinstance(value, Mapping | list):
        if not left:
            raise Invalid("inputs is nested too deep. Flatten it.", param="inputs")
        inner = cast(Mapping[str, object], value).values() if isinstance(value, Mapping) else value
        for one in cast(Sequence[object], inner):
            _shallow(one, left - 1)


def _keepable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid("A text holds half of a surrogate pair. Send valid Unicode.") from None


def _boolean(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Invalid(f"{name} is neither true nor false. Correct it.", param=name)


def _usage_wanted(body: Mapping[str, Any]) -> bool:
    value = body.get("stream_options")
    if value is None:
        return False
    options = cast(dict[str, object], value) if isinstance(value, dict) else None
    if options is None or set(options) - {"include_usage", "include_obfuscation"}:
        raise Invalid(
            'stream_options takes {"include_usage": true} only. Correct it.', param="stream_options"
        )
    return options.get("include_usage") is True


def _user(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MOST_USER:
        raise Invalid(f"user is no text of at most {_MOST_USER} characters.", param="user")
    return value or None


def _conversation(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or _CONVERSATION.fullmatch(value) is None:
        raise Invalid(
            "conversation is no id: up to 128 letters, digits and _ . : - are. Correct it.",
            param="conversation",
        )
    return value
