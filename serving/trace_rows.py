"""A call's record as rows of the database, and what of it can be kept when a row is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from operator import attrgetter
from typing import Any

import orjson

from serving.records import CallContent, CallRecord

PREVIEW = 200
Row = dict[str, Any]
_NARROW = tuple(field.name for field in fields(CallRecord) if field.name != "content")
_WIDE = tuple(field.name for field in fields(CallContent))
_narrow, _wide = attrgetter(*_NARROW), attrgetter(*_WIDE)
_REPLACEMENT = "\ufffd"


def trace_row(record: CallRecord) -> Row:
    """The narrow row; its preview is empty where content is not kept."""
    row: Row = dict(zip(_NARROW, _narrow(record), strict=True))
    row["preview"] = "" if record.content is None else _preview(record.content, record.error)
    return row


def _preview(content: CallContent, error: str | None) -> str:
    if content.output:
        return content.output[:PREVIEW]
    if content.tool_calls:
        return orjson.dumps(content.tool_calls, default=str).decode()[:PREVIEW]
    return (error or "")[:PREVIEW]


def content_row(record: CallRecord) -> Row | None:
    """The wide row, if content is kept."""
    content = record.content
    if content is None:
        return None
    row: Row = dict(zip(_WIDE, _wide(content), strict=True))
    row["id"] = record.id
    return row


def weight(record: CallRecord) -> int:
    """About how many bytes of memory the content of a record holds."""
    content = record.content
    if content is None:
        return 0
    texts = len(content.output) + sum(map(_length, content.inputs.values()))
    for messages in (content.given, content.messages):
        texts += sum(_length(message.get("content")) for message in messages)
    rest = len(content.tool_calls) + len(content.sources) + len(content.steps)
    return 2000 + 2 * texts + 500 * rest


def _length(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, (list, dict)):
        try:
            return 8 * len(orjson.dumps(value, default=str))
        except TypeError:
            return 8 * len(repr(value))
    return 8


def clean(record: CallRecord) -> CallRecord:
    """The record without what no column holds: half characters, NULs in names, numbers too wide."""
    content = record.content
    if content is not None:
        content = CallContent(**{k: _clean(v) for k, v in _parts(content).items()})
    texts: dict[str, Any] = {
        name: _clean(value).replace("\x00", _REPLACEMENT)
        for name in ("alias", "user", "conversation", "model", "error_kind")
        if isinstance(value := getattr(record, name), str)
    }
    error = None if record.error is None else _clean(record.error)
    return replace(record, **texts, error=error, content=content)


def _parts(content: CallContent) -> Row:
    steps = [asdict(step) for step in content.steps]
    return {**{name: getattr(content, name) for name in _WIDE}, "steps": steps}


def bare(record: CallRecord) -> CallRecord:
    """Only that the call was: the last resort for a record that is refused even when clean."""
    return CallRecord(
        record.id,
        record.app_id,
        record.app,
        record.release,
        record.at,
        status=record.status,
        state=record.state,
        error="What was said in this call could not be kept.",
        error_kind="unkept",
    )


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return {_clean(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_clean(inner) for inner in value]
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    return _clean(str(value))
