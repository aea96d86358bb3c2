"""Turns of a conversation out of whatever a file calls them. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from core.canonical import Json, canonical_json
from tuning.data.rows import Role, Turn, Turns

_ROLES: Mapping[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant",
    "bard": "assistant", "model": "assistant", "bot": "assistant", "function_call": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool",
    "function_response": "tool",
}  # fmt: skip
_CALL = "function_call"


class Unreadable(Exception):
    """Why a value is no part of a row: a clause without a full stop. Never leaves this package."""


def read_turns(value: Json, what: str) -> Turns:
    """A list of messages (OpenAI's or ShareGPT's), one message, or a JSON text of either."""
    value = unpacked(value)
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise Unreadable(f"{what} is {_kind(value)} where a list of messages is expected")
    if not value:
        raise Unreadable(f"{what} holds no message")
    return tuple(_turn(one, f"{what}[{place}]") for place, one in enumerate(value))


def read_answer(value: Json, what: str) -> Turns:
    """An answer: a text, one message or several, or a JSON text of messages."""
    if value is None:
        raise Unreadable(f"{what} is missing")
    found = unpacked(value)
    listed = [found] if isinstance(found, Mapping) else found
    if isinstance(value, str) and (isinstance(listed, str) or not are_messages(listed)):
        return (Turn("assistant", value),)
    return read_turns(listed, what)


def are_messages(value: Json) -> bool:
    """Told apart from an answer that is JSON itself."""
    return (
        isinstance(value, Sequence)
        and bool(value)
        and all(isinstance(one, Mapping) and {"role", "from"} & one.keys() for one in value)
    )


def unpacked(value: Json) -> Json:
    """JSON that stands in a text, as tables carry it; any other text as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _turn(value: Json, what: str) -> Turn:
    if not isinstance(value, Mapping):
        raise Unreadable(f"{what} is {_kind(value)} where a message is expected")
    name = value.get("role", value.get("from"))
    role = _ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        raise Unreadable(
            f"{what} has the role {_short(name)}, which is none of {', '.join(_ROLES)}"
        )
    if role == "assistant" and value.get("weight") == 0:
        raise Unreadable(
            f"{what} has the weight 0, and every turn of the assistant is learned here; leave the "
            "turn or the row out"
        )
    content = value.get("content", value.get("value"))
    if isinstance(name, str) and name.strip().lower() == _CALL:
        return Turn(role, "", _called(content, what))
    calls = read_calls(value.get("tool_calls"), what)
    text = "" if content is None and calls else _text(content, what)
    given = value.get("name")
    return Turn(role, text, calls, given if isinstance(given, str) else "")


def _text(content: Json, what: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        raise Unreadable(f"{what} has {_kind(content)} for a text")
    return "".join(_part(one, what) for one in content)


def _part(part: Json, what: str) -> str:
    if isinstance(part, Mapping) and part.get("type", "text") == "text":
        text = part.get("text", part.get("value"))
        if isinstance(text, str):
            return text
    kind = part.get("type") if isinstance(part, Mapping) else None
    raise Unreadable(f"{what} holds a part of type {_short(kind)}, and only text can be learned")


def _called(content: Json, what: str) -> str:
    """ShareGPT's function_call: one {name, arguments} or a list of them, mostly as a text."""
    found = unpacked(content)
    calls = found if isinstance(found, list) else [found]
    return read_calls(cast(Json, calls), what)


def read_calls(value: Json, what: str) -> str:
    """Tool calls as canonical JSON, arguments as objects because chat templates want them so."""
    if not value:
        return ""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Unreadable(f"{what} has {_kind(value)} for tool calls")
    return canonical_json([_call(one, what) for one in value])


def _call(value: Json, what: str) -> dict[str, Any]:
    inner = value.get("function", value) if isinstance(value, Mapping) else None
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(name, str):
        raise Unreadable(f"{what} has a tool call without a name")
    given = inner.get("arguments", inner.get("parameters"))
    arguments = unpacked(given) if given is not None else {}
    if arguments == "":
        arguments = {}
    if not isinstance(arguments, Mapping):
        raise Unreadable(f"{what} calls {name[:60]} with arguments that are no JSON object")
    found: dict[str, Any] = {
        "type": "function", "function": {"name": name, "arguments": arguments},
    }  # fmt: skip
    known = value.get("id") if isinstance(value, Mapping) else None
    return {"id": known, **found} if isinstance(known, str) else found


def read_tools(value: Json) -> str:
    """A list of tools, bare ({name, description, parameters}) or as OpenAI has them, or ""."""
    found = unpacked(value)
    if found in (None, "", []):
        return ""
    if isinstance(found, Mapping):
        found = [found]
    if isinstance(found, str) or not isinstance(found, Sequence):
        raise Unreadable("tools is no JSON list of tools")
    return canonical_json([_tool(one) for one in found]) if found else ""


def _tool(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise Unreadable(f"tools holds {_kind(value)} where a tool is expected")
    inner = value.get("function", value)
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
        raise Unreadable("tools holds a tool without a name")
    return {"type": "function", "function": inner}


def _kind(value: Json) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return "a text" if value.strip() else "an empty text"
    return {bool: "a yes or no", list: "a list", dict: "an object"}.get(type(value), "a number")


def _short(value: object) -> str:
    return repr(value)[:40]
