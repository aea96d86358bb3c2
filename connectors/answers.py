"""What comes back: OpenAI's JSON or its stream, read without trust. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import orjson

from connectors.wire import Usage, content_text
from core.canonical import Json

MAX_ANSWER = 16 * 2**20
MAX_LINE = 2**20
MAX_VALUES = 500_000
MAX_DEPTH = 32
_MAX_TOKENS = 10**8
_MAX_WORD = 64


class Garbage(ValueError):
    """The bytes are no chat answer; the text says in what way."""


class TooLarge(ValueError):
    """A limit on size was exceeded."""


class ErrorEvent(Exception):
    """The provider sent an `error` object where an answer should be."""

    def __init__(self, error: object) -> None:
        super().__init__("error")
        self.error = error


@dataclass(slots=True)
class Reply:
    """An answer as it grows; `usage` is None until the provider said something believable."""

    text: str = ""
    tool_calls: list[dict[str, Json]] = field(default_factory=list[dict[str, Json]])
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str = ""


def parse_json(raw: bytes | bytearray) -> dict[str, object]:
    """One JSON object; raises Garbage, TooLarge or ErrorEvent.

    Many small values take a hundred times the memory of their text, so they are counted first.
    """
    if len(raw) > MAX_LINE and sum(map(raw.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise TooLarge(f"more than {MAX_VALUES} values in one answer")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        head = bytes(raw[:80]).decode("utf-8", "replace")
        raise Garbage(f"{error.msg}; it begins with {head!r}" if raw else "empty") from None
    if not isinstance(value, dict):
        raise Garbage("JSON, but no object")
    found = cast(dict[str, object], value)
    if found.get("error"):
        raise ErrorEvent(found["error"])
    return found


def parse_completion(raw: bytes | bytearray) -> Reply:
    """A whole (not streamed) answer; raises as `parse_json` does."""
    value = parse_json(raw)
    choice = _first_choice(value)
    message = choice.get("message") if choice else None
    if choice is None or not isinstance(message, dict):
        raise Garbage("JSON without choices[0].message")
    said = cast(dict[str, object], message)
    calls = said.get("tool_calls")
    return Reply(
        text=content_text(said.get("content")) or content_text(said.get("refusal")),
        tool_calls=_checked_calls(calls) if _is_calls(calls) else [],
        finish_reason=_word(choice.get("finish_reason")),
        usage=read_usage(value.get("usage")),
        model=_word(value.get("model")) or "",
    )


def add_chunk(reply: Reply, value: Mapping[str, object]) -> str:
    """Put one chunk of a stream into `reply`; the new text."""
    reply.usage = read_usage(value.get("usage")) or reply.usage
    reply.model = reply.model or _word(value.get("model")) or ""
    choice = _first_choice(value)
    if choice is None:
        return ""
    reply.finish_reason = _word(choice.get("finish_reason")) or reply.finish_reason
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return ""
    said = cast(dict[str, object], delta)
    _merge_calls(reply.tool_calls, said.get("tool_calls"))
    return content_text(said.get("content")) or content_text(said.get("refusal"))


def read_usage(value: object) -> Usage | None:
    """OpenAI's usage, or None when it is missing or cannot be true."""
    if not isinstance(value, dict):
        return None
    usage = cast(dict[str, object], value)
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens", 0))
    given, made = counts
    if type(given) is not int or type(made) is not int:
        return None
    return Usage(given, made) if 0 <= given < _MAX_TOKENS and 0 <= made < _MAX_TOKENS else None


def _first_choice(value: Mapping[str, object]) -> dict[str, object] | None:
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices:
        return None
    first = cast(list[object], choices)[0]
    return cast(dict[str, object], first) if isinstance(first, dict) else None


def _str_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _word(value: object) -> str | None:
    """A short text on one line: what is stored and shown beside an answer."""
    if not isinstance(value, str):
        return None
    return "".join(sign if sign.isprintable() else " " for sign in value[:_MAX_WORD])


def _checked_calls(calls: object) -> list[dict[str, Json]]:
    """Tool calls as they came; Garbage for what is nested deeper than can be written again."""
    waiting = [(calls, MAX_DEPTH)]
    while waiting:
        value, left = waiting.pop()
        if isinstance(value, list | dict):
            if not left:
                raise Garbage(f"tool calls nested more than {MAX_DEPTH} deep")
            held = cast(dict[str, object] | list[object], value)
            members = held.values() if isinstance(held, dict) else held
            waiting += [(member, left - 1) for member in members]
    return cast(list[dict[str, Json]], calls)


def _is_calls(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) for item in cast(list[object], value)
    )


def _merge_calls(calls: list[dict[str, Json]], parts: object) -> None:
    """Pieces of tool calls belong together by their index."""
    if not _is_calls(parts):
        return
    for part in cast(list[dict[str, object]], parts):
        at = part.get("index", len(calls))
        if type(at) is not int or not 0 <= at <= min(len(calls), 127):
            raise Garbage("tool calls out of order")
        if at == len(calls):
            calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        call = calls[at]
        call["id"] = _str_or_none(part.get("id")) or call["id"]
        function = part.get("function")
        if isinstance(function, dict):
            pieces = cast(dict[str, object], function)
            held = cast(dict[str, str], call["function"])
            held["name"] += content_text(pieces.get("name"))
            held["arguments"] += content_text(pieces.get("arguments"))


class SseReader:
    """Cuts a byte stream into the payloads of its `data:` lines."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Payloads that are complete now; raises TooLarge for a line of more than 1 MiB."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        if len(rest) > MAX_LINE or any(len(line) > MAX_LINE for line in lines):
            raise TooLarge("a line of the stream has more than 1 MiB")
        for line in lines:
            if line.startswith(b"data:"):
                yield bytes(line[5:].strip())

    def close(self) -> Iterator[bytes]:
        """The last payload when the stream ends without a line feed."""
        yield from self.feed(b"\n")
