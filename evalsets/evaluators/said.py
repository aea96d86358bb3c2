"""What a judging model said, as JSON: the whole answer or what it fences, without its thoughts."""

import re
from typing import Any

import orjson

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n?(.*?)\n?\s*```\s*\Z", re.DOTALL)


def without_thoughts(text: str) -> str:
    """The answer behind a leading `<think>` block."""
    return _THOUGHT.sub("", text)


def object_said(text: str) -> dict[str, Any] | None:
    """The one JSON object that an answer is; None for anything else."""
    body = without_thoughts(text)
    fence = _FENCE.match(body)
    try:
        found = orjson.loads(fence.group(1) if fence else body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
