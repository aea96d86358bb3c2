"""Rows out of JSON Lines and JSON arrays, object by object, with the line of each."""

import io
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NoReturn

from core.canonical import Json
from core.errors import Invalid, TooLarge
from evalsets.files.limits import MAX_ROW_BYTES, size_text
from evalsets.files.tables import RawRow, RawTable

_SPACE = " \t\n\r"
_HEAD = 1 << 16


class _BadValue(ValueError):
    """A JSON value that cannot be kept as it is."""


def _integer(text: str) -> int:
    value = int(text) if len(text) <= 20 else 1 << 64
    if not -(1 << 63) <= value < 1 << 64:
        raise _BadValue(f"the number {text[:24]} does not fit 64 bits; write it as text in quotes")
    return value


def _decimal(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _BadValue(f"the number {text[:24]} is too large; write it as text in quotes")
    return value


def _constant(text: str) -> NoReturn:
    raise _BadValue(f"{text} is not JSON; write null, or text in quotes")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Interned keys, because a million rows share a few names."""
    found = {sys.intern(key): value for key, value in pairs}
    if len(found) != len(pairs):
        raise _BadValue("an object has the same key twice; rename one of them")
    return found


_DECODER = json.JSONDecoder(
    parse_int=_integer, parse_float=_decimal, parse_constant=_constant, object_pairs_hook=_object
)


def read_json(file: BinaryIO, encoding: str) -> RawTable:
    """JSON in whatever arrangement it has: one object a line, a list of objects, or one object."""
    notices: list[str] = []
    with _opened(file, encoding) as text:
        listed = text.read(_HEAD).lstrip(_SPACE).startswith("[")
        text.seek(0)
        if not listed and _first_line_is_whole(text):
            return RawTable("jsonl", _lines(file, encoding, notices), encoding, notices=notices)
        whole = text.read()
    return RawTable("json", _array(whole) if listed else _stream(whole), encoding, notices=notices)


@contextmanager
def _opened(file: BinaryIO, encoding: str) -> Iterator[io.TextIOWrapper]:
    """Text split at LF alone; U+0085 and its like stand inside strings. `file` stays open."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="\n")
    try:
        yield text
    finally:
        text.detach()


def _first_line_is_whole(text: io.TextIOWrapper) -> bool:
    """Told from the first line that is not blank; a very long or broken one counts as whole."""
    line = "\n"
    while line.endswith("\n") and not line.strip(_SPACE):
        line = text.readline(MAX_ROW_BYTES + 1)
    text.seek(0)
    try:
        _DECODER.decode(line)
    except json.JSONDecodeError as error:
        return error.pos < len(line.rstrip(_SPACE)) or len(line) > MAX_ROW_BYTES
    except (ValueError, RecursionError):
        pass
    return True


def _lines(file: BinaryIO, encoding: str, notices: list[str]) -> Iterator[RawRow]:
    number = 0
    with _opened(file, encoding) as text:
        while line := text.readline(MAX_ROW_BYTES + 1):
            number += 1
            if len(line) > MAX_ROW_BYTES:
                raise TooLarge(_too_long(number))
            rows = list(_objects(line, number))
            if len(rows) > 1:
                notices.append(f"line {number} holds {len(rows)} objects; each is a case")
            yield from rows


def _objects(line: str, number: int) -> Iterator[RawRow]:
    position = _skip(line, 0)
    while position < len(line):
        try:
            value, position = _decode(line, position, number, first_line=number)
        except Invalid as error:
            yield RawRow(number, {}, error.message.partition(": ")[2])
            return
        yield _row(value, number)
        position = _skip(line, position)


def _array(text: str) -> Iterator[RawRow]:
    position = _skip(text, _skip(text, 0) + 1)
    line = _Line(text)
    while not text.startswith("]", position):
        number = line.at(position)
        value, end = _decode(text, position, number)
        yield _row(value, number)
        position = _skip(text, end)
        if text.startswith(",", position):
            position = _skip(text, position + 1)
        elif not text.startswith("]", position):
            raise Invalid(
                f"line {line.at(position)}: a comma or ] is missing between two cases. Add it"
            )
    rest = _skip(text, position + 1)
    if rest < len(text):
        raise Invalid(f"line {line.at(rest)}: text after the list. Remove it")


def _stream(text: str) -> Iterator[RawRow]:
    """Objects one after the other, each over several lines."""
    position, line = _skip(text, 0), _Line(text)
    while position < len(text):
        number = line.at(position)
        value, end = _decode(text, position, number)
        lists = _lists_of_objects(value)
        if lists:
            raise Invalid(
                f"line {number}: the file is one object that holds lists ({', '.join(lists)}). "
                "Save the list of cases alone"
            )
        yield _row(value, number)
        position = _skip(text, end)


class _Line:
    """Line numbers of rising positions, each newline counted once."""

    def __init__(self, text: str) -> None:
        self._text, self._position, self._line = text, 0, 1

    def at(self, position: int) -> int:
        self._line += self._text.count("\n", self._position, position)
        self._position = position
        return self._line


def _decode(text: str, position: int, line: int, first_line: int = 1) -> tuple[Json, int]:
    """The value at `position` and its end; `first_line` is the number of the first line of text."""
    try:
        value, end = _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise _broken(text, error, line, first_line) from None
    except RecursionError:
        raise Invalid(f"line {line}: nested too deep. Keep at most 200 levels") from None
    except _BadValue as error:
        raise Invalid(f"line {line}: {error}") from None
    if end - position > MAX_ROW_BYTES:
        raise TooLarge(_too_long(line))
    return value, end


def _broken(text: str, error: json.JSONDecodeError, line: int, first_line: int) -> Invalid:
    if error.pos >= len(text.rstrip(_SPACE)):
        return Invalid(f"line {line}: the JSON breaks off before its end. Complete it")
    where = first_line + text.count("\n", 0, error.pos)
    column = error.pos - text.rfind("\n", 0, error.pos)
    return Invalid(f"line {where}: not JSON at character {column} ({error.msg}). Correct it")


def _row(value: Json, line: int) -> RawRow:
    if isinstance(value, dict):
        return RawRow(line, value)
    kind = {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a bare value")
    problem = f'{kind} where an object is expected. Write {{"variable": "value"}}'
    return RawRow(line, {}, problem)


def _lists_of_objects(value: Json) -> list[str]:
    if not isinstance(value, dict):
        return []
    return [
        key
        for key, member in value.items()
        if isinstance(member, list) and member and isinstance(member[0], dict)
    ]


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def _too_long(line: int) -> str:
    return f"line {line}: a case has more than {size_text(MAX_ROW_BYTES)}. Shorten or split it"
