"""JSON laid out for reading, without changing a number or an escape of it."""

import json
import re

_FENCED = re.compile(r"\s*```(?:json)?[^\S\n]*\n(.*?)\n?```\s*", re.DOTALL | re.IGNORECASE)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_OPEN, _CLOSE, _COLON = "{[", "}]", ":"
_MOST_DEPTH = 200


def laid_out(text: str) -> str | None:
    """The JSON of a text, or of its one fenced block, a value a line; None if it is no JSON."""
    fenced = _FENCED.fullmatch(text)
    inner = fenced[1] if fenced else text
    try:
        json.loads(inner, parse_constant=_refuse, parse_int=str)
    except (ValueError, RecursionError):
        return None
    tokens = _TOKEN.findall(inner)
    return _written(tokens)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _written(tokens: list[str]) -> str:
    parts: list[str] = []
    depth = 0
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else ""
        if token in _CLOSE:
            depth -= 1
            if before not in _OPEN:
                parts.append(_line(depth))
        elif before and (before in _OPEN or before == ","):
            parts.append(_line(depth))
        if token in _OPEN:
            depth += 1
        parts.append(": " if token in _COLON else token)
    return "".join(parts)


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, _MOST_DEPTH)
