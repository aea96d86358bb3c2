"""JSON files of one object, of a list, or of a line each, as entries with their places."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from core.errors import Invalid, TooLarge
from prompts.fields import check_json

MAX_FILE = 64 << 20
MAX_ENTRIES = 100_000


class Entry(NamedTuple):
    """One object of a file; `where` is its place in it."""

    where: str
    item: dict[str, Any]


def text_of(name: str, data: bytes) -> str:
    """UTF-8, or UTF-16 with its mark; raises Invalid with the line."""
    if len(data) > MAX_FILE:
        raise TooLarge(f"{name} has more than 64 MiB. Split it.")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid(f"{name}, line {line}: no UTF-8 text. Save the file as UTF-8.") from None


def entries(name: str, data: bytes, keys: Sequence[str]) -> list[Entry]:
    """The objects of a JSON or JSONL file; `keys` are those under which a list may stand."""
    text = text_of(name, data)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _lines(name, text, str(error))
    if isinstance(value, dict):
        found = cast(dict[str, Any], value)
        key = next((key for key in keys if isinstance(found.get(key), list)), None)
        if key is None:
            return [Entry(name, _plain(name, found))]
        return _listed(cast(list[Any], found[key]), f"{name} {key}")
    if isinstance(value, list):
        return _listed(cast(list[Any], value), name)
    raise Invalid(f"{name} holds neither an object nor a list. Give an export as JSON.")


def _listed(values: list[Any], where: str) -> list[Entry]:
    if len(values) > MAX_ENTRIES:
        raise TooLarge(f"{where} has more than {MAX_ENTRIES:,} entries. Split it.")
    found: list[Entry] = []
    for n, value in enumerate(values):
        if not isinstance(value, dict):
            raise Invalid(f"{where}[{n}] is no object. Correct it.")
        found.append(Entry(f"{where}[{n}]", _plain(f"{where}[{n}]", value)))
    return found


def _lines(name: str, text: str, cause: str) -> list[Entry]:
    found: list[Entry] = []
    for n, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            why = f"line {n} is no object" if found else cause[:200]
            raise Invalid(f"{name} is no JSON ({why}). Correct it.")
        found.append(Entry(f"{name}, line {n}", _plain(f"{name}, line {n}", value)))
        if len(found) > MAX_ENTRIES:
            raise TooLarge(f"{name} has more than {MAX_ENTRIES:,} lines. Split it.")
    if not found:
        raise Invalid(f"{name} is empty. Give an export as JSON.")
    return found


def _plain(where: str, value: Any) -> dict[str, Any]:
    try:
        return check_json(value)
    except ValueError as error:
        raise Invalid(f"{where}: {error}. Correct it.") from None
