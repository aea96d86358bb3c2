"""The bytes of a PDF content stream as operators with their operands (ISO 32000-1, 7.2 and 7.8)."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_TOKEN = re.compile(
    rb"([+-]?(?:\d+\.?\d*|\.\d+))(?=[\s\[\]<>(){}/%]|\Z)"
    rb"|\(((?:[^()\\]++|\\.|\((?:[^()\\]++|\\.|\((?:[^()\\]++|\\.)*+\))*+\))*+)\)"
    rb"|<([0-9A-Fa-f\s]*+)>|(/[^\s\[\]<>(){}/%]*+)|(<<|>>|\[|\])|([A-Za-z'\"*][A-Za-z0-9'\"*]*+)"
    rb"|%[^\r\n]*+",
    re.DOTALL,
)
_INLINE_START = re.compile(rb"(?<![^\s])BI\s[^<>()]{0,2000}?\sID\s")
_INLINE_END = re.compile(rb"\sEI(?=\s|\Z)")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r\n|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_MOST_OPERANDS = 10_000


class Operation(NamedTuple):
    """An operand is a float, bytes for a string, str for a name with its slash, or a list."""

    operator: bytes
    operands: list[Any]


def operations(data: bytes) -> Iterator[Operation]:
    """Every operator in order; what is no token is passed over."""
    if b"ID" in data:
        data = _without_inline_images(data)
    given: list[Any] = []
    array: list[Any] | None = None
    for token in _TOKEN.finditer(data):
        kind = token.lastindex
        if kind == 6:
            yield Operation(token[6], given)
            given, array = [], None
            continue
        value: Any
        if kind == 1:
            value = float(token[1])
        elif kind == 2:
            value = _ESCAPE.sub(_unescape, token[2]) if b"\\" in token[2] else token[2]
        elif kind == 3:
            digits = b"".join(token[3].split())
            value = bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())
        elif kind == 4:
            value = token[4].decode("latin-1")
        elif kind == 5:
            if token[5] == b"[":
                array = []
                given.append(array)
            elif token[5] == b"]":
                array = None
            continue
        else:
            continue
        (given if array is None else array).append(value)
        if len(given) > _MOST_OPERANDS:
            given = []


def _without_inline_images(data: bytes) -> bytes:
    """Pictures inside the content are bytes of any kind, and would be taken for operators."""
    kept: list[bytes] = []
    at = 0
    while start := _INLINE_START.search(data, at):
        end = _INLINE_END.search(data, start.end())
        if end is None:
            break
        kept.append(data[at : start.start()])
        at = end.end()
    return b" ".join([*kept, data[at:]])


def _unescape(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if code[:1].isdigit() and code[:1] < b"8":
        return bytes([int(code, 8) & 0xFF])
    return b"" if code in (b"\n", b"\r", b"\r\n") else _ESCAPED.get(code, code)
