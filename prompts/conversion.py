"""Values of variables from texts, as a CSV cell or a form gives them."""

import json
import math
from collections.abc import Sequence
from typing import Any, cast

THREAD_ROLES = ("system", "user", "assistant")
_TRUE = {"true", "yes", "on", "1", "是", "真"}
_FALSE = {"false", "no", "off", "0", "否", "假"}


class ConversionError(ValueError):
    """A value does not fit its kind; the text continues "the value of x"."""


def convert(kind: str, raw: Any, choices: Sequence[Any] = ()) -> Any:
    """`raw` as `kind` (text, number, boolean, choice, list, json, thread).

    Texts are parsed, values of the right type kept. Raises ConversionError.
    """
    if kind == "text":
        return text_of(raw)
    if kind == "number":
        return _number(raw)
    if kind == "boolean":
        return _boolean(raw)
    if kind == "choice":
        return _choice(raw, choices)
    if kind == "list":
        return _list(raw)
    return _thread(raw) if kind == "thread" else _json(raw)


def text_of(raw: Any) -> str:
    """Text as it is, anything else as JSON: 3 is "3", true is "true"."""
    return raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)


def _number(raw: Any) -> int | float:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        text = raw.strip().replace("\u2212", "-")
        for parse in (int, float):
            try:
                number = parse(text)
            except ValueError:
                continue
            if "_" not in text and math.isfinite(number):
                return number
    raise ConversionError(f"is {_shown(raw)}, not a number; write one such as 3 or 0.5")


def _boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if isinstance(raw, str | int | float) and word in _TRUE | _FALSE:
        return word in _TRUE
    raise ConversionError(f"is {_shown(raw)}, neither true nor false; write one of the two")


def _choice(raw: Any, choices: Sequence[Any]) -> Any:
    for choice in choices:
        same_kind = isinstance(raw, bool) == isinstance(choice, bool)
        if (raw == choice and same_kind) or (isinstance(raw, str) and raw == text_of(choice)):
            return choice
    allowed = ", ".join(text_of(choice) for choice in choices)[:200]
    raise ConversionError(f"is {_shown(raw)}, not one of its choices; use one of {allowed}")


def _list(raw: Any) -> list[Any]:
    """A list, a JSON array, or a text with an item on each line (or between commas)."""
    if isinstance(raw, list):
        return cast(list[Any], raw)
    if isinstance(raw, str):
        text = raw.strip()
        if text.startswith("["):
            value = _json(raw)
            if isinstance(value, list):
                return cast(list[Any], value)
        pieces = text.splitlines() if "\n" in text else text.replace("\uff0c", ",").split(",")
        return [piece.strip() for piece in pieces if piece.strip()]
    raise ConversionError(f'is {_shown(raw)}, not a list; write one such as ["a", "b"]')


def _json(raw: Any) -> Any:
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ConversionError(
            f'is {_shown(raw)}, not JSON; write a value such as {{"a": 1}}'
        ) from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _thread(raw: Any) -> list[dict[str, str]]:
    value = _json(raw) if isinstance(raw, str) and raw.strip() else raw or []
    if isinstance(value, list) and all(map(is_message, cast(list[Any], value))):
        return cast(list[dict[str, str]], value)
    raise ConversionError(
        "is not a list of messages; write one such as "
        '[{"role": "user", "content": "Hello"}] with roles system, user or assistant'
    )


def is_message(item: Any) -> bool:
    """Whether `item` is exactly `{role, content}` with a known role and a text."""
    if type(item) is not dict:
        return False
    found = cast(dict[Any, Any], item)
    return (
        found.keys() == {"role", "content"}
        and found["role"] in THREAD_ROLES
        and type(found["content"]) is str
    )


def _shown(raw: Any) -> str:
    text = text_of(raw) if isinstance(raw, str | int | float | list | dict) else repr(raw)
    return repr(text if len(text) <= 60 else text[:57] + "…")
