"""YAML as other programs write it, read into plain values within bounds.

Anchors, aliases and merge keys are common there, so they are followed, and what they multiply
counts against one budget. Scalars are YAML 1.2's (`yes` and dates are texts). No tag makes an
object:
a tagged value is a `Tagged` that its reader may list.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import yaml
from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from core.errors import Invalid, TooLarge
from prompts.fields import check_text
from prompts.front_matter import SCALARS

MAX_SOURCE = 4 * 1024 * 1024
MAX_NODES = 500_000
MAX_DEPTH = 64
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Tagged(NamedTuple):
    """A value under a tag of some program's own, such as `!function`; `line` counts from 1."""

    tag: str
    value: Any
    line: int


class _Node(NamedTuple):
    value: Any
    nodes: int


def load(source: str, what: str) -> Any:
    """The value of a YAML text; raises Invalid or TooLarge with the line of `what`."""
    if len(source) > MAX_SOURCE:
        raise TooLarge(f"{what} is larger than 4 MiB. Split it.")
    reader = _Reader(what)
    try:
        return reader.document(iter(yaml.parse(source, Loader=_PARSER)))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise Invalid(f"{what}, line {line}: {error.problem}. Correct it.") from None
    except (yaml.YAMLError, ValueError) as error:
        cause = " ".join(str(error).split())[:200]
        raise Invalid(f"{what} cannot be read: {cause}. Correct it.") from None


class _Reader:
    """Events become values; `_nodes` counts them, those behind aliases again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._anchors: dict[str, _Node] = {}
        self._nodes = 0

    def document(self, events: Iterator[Event]) -> Any:
        for event in events:
            if isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent)):
                return self._node(event, events, 0)
        return None

    def _node(self, event: Event, events: Iterator[Event], depth: int) -> Any:
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            known = self._anchors.get(event.anchor)
            if known is None:
                raise Invalid(f"{self._what}, line {line}: *{event.anchor} is no anchor. Add it.")
            self._count(known.nodes, line)
            return known.value
        before = self._nodes
        self._count(1, line)
        if depth > MAX_DEPTH:
            raise Invalid(f"{self._what}, line {line}: nested deeper than {MAX_DEPTH}. Flatten it.")
        value = self._value(event, events, depth)
        tag = getattr(event, "tag", None)
        if tag is not None and not tag.startswith("tag:yaml.org,2002:") and tag != "!":
            value = Tagged(tag, value, line)
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = _Node(value, self._nodes - before)
        return value

    def _value(self, event: Event, events: Iterator[Event], depth: int) -> Any:
        if isinstance(event, ScalarEvent):
            return _scalar(event)
        if isinstance(event, SequenceStartEvent):
            items: list[Any] = []
            for inner in events:
                if isinstance(inner, SequenceEndEvent):
                    break
                items.append(self._node(inner, events, depth + 1))
            return items
        return self._mapping(events, depth)

    def _mapping(self, events: Iterator[Event], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            line = event.start_mark.line + 1
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if key == "<<" and isinstance(event, ScalarEvent) and event.implicit[0]:
                for one in cast(list[Any], value) if isinstance(value, list) else [value]:
                    merged = {**cast(dict[str, Any], one), **merged} if _is_map(one) else merged
                continue
            name = key if isinstance(key, str) else _key(key)
            if name is None or name in found:
                why = "a key that is no text" if name is None else f"the key {name!r} stands twice"
                raise Invalid(f"{self._what}, line {line}: {why}. Correct it.")
            found[name] = value
        return {**merged, **found}

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise TooLarge(
                f"{self._what}, line {line}: more than {MAX_NODES:,} values, those behind aliases "
                "counted. Split the file."
            )


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _key(value: Any) -> str | None:
    """`1:` and `true:` are keys of JSON objects, as their texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else None


def _scalar(event: ScalarEvent) -> Any:
    text = check_text(event.value)
    if not event.implicit[0]:
        return text
    kind = next((kind for kind, pattern in SCALARS.items() if pattern.match(text)), "")
    if kind.endswith(":null"):
        return None
    if kind.endswith(":bool"):
        return text.lower() == "true"
    if kind.endswith(":int"):
        return int(text) if len(text) < 20 else text
    return float(text) if kind.endswith(":float") else text
