"""JSON and JSONL: every value under the path of its keys; notebooks as Markdown."""

import json
import re
from collections.abc import Iterator
from typing import Any

from core.errors import Invalid
from rag.parsing.encodings import decode
from rag.parsing.extract import Extract, counted, first_heading, plain
from rag.parsing.limits import Limits, require, size_text

_BAD_SHOWN = 3
_DATA = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=\s]{64,}")


def read_json(data: bytes, limits: Limits) -> Extract:
    """One object, or a list whose items become records; JSONL under a wrong name is JSONL."""
    text, notes = decode(data)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.count("\n") and text.lstrip().startswith("{"):
            return read_jsonl(data, limits)
        raise Invalid(f"It is no JSON: {error}. Correct it and add it again.") from None
    if isinstance(value, dict) and "cells" in value and "nbformat" in value:
        body = _notebook(value["cells"])
        return Extract("notebook", body, first_heading(body), (), notes)
    items = value if isinstance(value, list) else [value]
    return Extract("json", _records(items), None, (), notes)


def read_jsonl(data: bytes, limits: Limits) -> Extract:
    """One record a line; lines that are no JSON are named and left out."""
    longest = max(map(len, data.splitlines()), default=0)
    require(
        longest <= limits.line_bytes,
        f"One of its lines is longer than {size_text(limits.line_bytes)}. Split it.",
    )
    text, notes = decode(data)
    values: list[Any] = []
    bad: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip():
                values.append(json.loads(line))
        except (ValueError, RecursionError):
            bad.append(number)
    if bad and len(bad) >= len(values):
        raise Invalid(f"Line {bad[0]} is no JSON. Write one JSON object a line and add it again.")
    if bad:
        lines = ", ".join(map(str, bad[:_BAD_SHOWN])) + (" …" if len(bad) > _BAD_SHOWN else "")
        notes = (*notes, f"{counted(len(bad), 'line was', 'lines were')} no JSON: {lines}")
    return Extract("jsonl", _records(values), None, (), notes)


def _records(items: list[Any]) -> str:
    return plain("\n\n".join(filter(None, ("\n".join(_lines(item, "")) for item in items))))


def _lines(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for index, inner in enumerate(value, 1):
            yield from _lines(inner, f"{path} {index}" if path else str(index))
    elif value not in (None, "", [], {}):
        shown = ", ".join(map(_shown, value)) if isinstance(value, list) else _shown(value)
        yield f"{path}: {shown}" if path else shown


def _shown(value: Any) -> str:
    return _DATA.sub("", value) if isinstance(value, str) else json.dumps(value)


def _notebook(cells: Any) -> str:
    blocks: list[str] = []
    for cell in cells if isinstance(cells, list) else []:
        source = cell.get("source", "") if isinstance(cell, dict) else ""
        body = "".join(map(str, source)) if isinstance(source, list) else str(source)
        if body.strip():
            code = cell.get("cell_type") == "code"
            blocks.append(f"```\n{body.strip()}\n```" if code else body.strip())
    return plain(_DATA.sub("", "\n\n".join(blocks)))
