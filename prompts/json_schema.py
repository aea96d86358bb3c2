"""Telling a JSON schema from a map of properties."""

from typing import Any

_TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}
_KEYWORDS = {"$schema", "$ref", "$defs", "anyOf", "allOf", "oneOf", "const", "additionalProperties"}


def is_json_schema(value: dict[str, Any]) -> bool:
    """Whether a dict says it is a schema: a JSON `type`, `properties` as a map, or a keyword."""
    kind = value.get("type")
    if isinstance(kind, list):
        return all(isinstance(item, str) and item in _TYPES for item in kind)
    if isinstance(kind, str) and kind in _TYPES:
        return not isinstance(value.get("properties"), list)
    return bool(_KEYWORDS & value.keys())
