"""Picoschema, the short form of JSON schemas in dotprompt files.

https://google.github.io/dotprompt/reference/picoschema/
"""

import re
from typing import Any, NamedTuple, cast

from core.errors import Invalid

Json = dict[str, Any]
_SCALARS = {"string", "number", "integer", "boolean", "null"}
_KEY = re.compile(
    r"(?P<name>[^?(]+)(?P<optional>\?)?(?:\((?P<kind>\w+)(?:,\s*(?P<text>.*))?\))?", re.S
)
_WILDCARD = "(*)"


class Property(NamedTuple):
    """A top property: its JSON type, whether it must be there, and what it is."""

    type: str
    required: bool
    description: str


def to_schema(value: Any) -> Json | None:
    """A JSON schema from Picoschema or from one; None for the name of a program's schema."""
    if isinstance(value, str):
        kind = value.partition(",")[0].strip()
        return _scalar(value) if kind in _SCALARS | {"any"} else None
    if not isinstance(value, dict):
        raise Invalid("A schema is neither a map nor a type. Correct it.")
    found = cast(Json, value)
    if found.get("type") in (*_SCALARS, "object", "array") or isinstance(
        found.get("properties"), dict
    ):
        return found if "type" in found else {"type": "object", **found}
    return _object(found)


def properties_of(value: Any) -> dict[str, Property]:
    """The inputs that a schema describes; empty without one."""
    schema = to_schema(value) if value is not None else None
    if schema is None:
        return {}
    properties = cast(Json, schema.get("properties") or {})
    required = cast(list[str], schema.get("required") or [])
    return {
        name: Property(_type(cast(Json, one)), name in required, str(one.get("description") or ""))
        for name, one in properties.items()
    }


def _type(schema: Json) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in cast(list[Any], kind) if one != "null"), "string")
    return str(kind or "object")


def _object(value: Json) -> Json:
    properties: Json = {}
    required: list[str] = []
    extra: Any = False
    for key, inner in value.items():
        if key == _WILDCARD:
            extra = _inner(inner)
            continue
        found = _KEY.fullmatch(key)
        if found is None:
            raise Invalid(f"The property {key[:60]!r} of a schema cannot be read. Correct it.")
        name = found["name"].strip()
        made = _of_kind(found["kind"], inner)
        if found["text"]:
            made = {**made, "description": found["text"].strip()}
        if found["optional"]:
            kind = made.get("type")
            made = {**made, "type": [kind, "null"]} if isinstance(kind, str) else made
        else:
            required.append(name)
        properties[name] = made
    made_object: Json = {"type": "object", "properties": properties, "additionalProperties": extra}
    return {**made_object, "required": required} if required else made_object


def _of_kind(kind: str | None, inner: Any) -> Json:
    if kind is None:
        return _inner(inner)
    if kind == "array":
        return {"type": "array", "items": _inner(inner)}
    if kind == "enum":
        return {"enum": inner if isinstance(inner, list) else [inner]}
    if kind == "object":
        return _inner(inner)
    raise Invalid(f"The kind {kind!r} of a schema is not known. Use array, object or enum.")


def _inner(value: Any) -> Json:
    if isinstance(value, dict):
        return _object(cast(Json, value))
    if isinstance(value, str):
        return _scalar(value)
    raise Invalid("A property of a schema is neither a type nor a map. Correct it.")


def _scalar(text: str) -> Json:
    kind, _, description = text.partition(",")
    kind = kind.strip()
    if kind not in _SCALARS | {"any"}:
        raise Invalid(f"The type {kind[:40]!r} of a schema is not known. Write it out.")
    made: Json = {} if kind == "any" else {"type": kind}
    return {**made, "description": description.strip()} if description.strip() else made
