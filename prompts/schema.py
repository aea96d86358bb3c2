"""Prompty's properties as variables and JSON schemas, and its tools in OpenAI's form."""

from typing import Any, NamedTuple, cast

from core.errors import Invalid
from prompts.content import Kind, Variable
from prompts.json_schema import is_json_schema

Json = dict[str, Any]
_KINDS: dict[str, Kind] = {
    "string": "text", "text": "text", "str": "text",
    "integer": "number", "int": "number", "float": "number", "number": "number",
    "boolean": "boolean", "bool": "boolean",
    "choice": "choice",
    "array": "list", "list": "list",
    "object": "json", "json": "json", "dict": "json", "any": "json",
    "thread": "thread",
}  # fmt: skip
_JSON_TYPES = {
    "string": "string", "text": "string", "str": "string", "choice": "string",
    "integer": "integer", "int": "integer", "float": "number", "number": "number",
    "boolean": "boolean", "bool": "boolean",
    "array": "array", "list": "array",
    "object": "object", "dict": "object", "json": "object",
}  # fmt: skip
_WRITTEN = {
    "text": "string", "number": "number", "boolean": "boolean", "choice": "string",
    "list": "array", "json": "object", "thread": "thread",
}  # fmt: skip


class Tools(NamedTuple):
    """Tools in OpenAI's form and what was left out."""

    tools: list[Json]
    notices: list[str]


def properties(value: Any, where: str) -> list[Json]:
    """Properties as a list of dicts with `name`, from a list, a map, or `{properties: …}`."""
    if isinstance(value, dict):
        found = cast(Json, value)
        if isinstance(found.get("properties"), list | dict):
            return properties(found["properties"], where)
        return [_named(name, item) for name, item in found.items()]
    if isinstance(value, list):
        items = cast(list[Any], value)
        if all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in items):
            return cast(list[Json], items)
    raise Invalid(f"`{where}` is neither a list of named entries nor a map. Correct it.")


def _named(name: str, item: Any) -> Json:
    """The scalar shorthand `firstName: Jane` is a property with that default."""
    return {**cast(Json, item), "name": name} if isinstance(item, dict) else {
        "name": name, "kind": _kind_of(item), "default": item
    }  # fmt: skip


def _kind_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "string")


def first(item: Json, *keys: str) -> Any:
    """The first of `keys` that has a value."""
    return next((item[key] for key in keys if item.get(key) is not None), None)


def variable(item: Json) -> Variable:
    """One input as a Variable; raises Invalid for kinds that are no text, such as image."""
    name = item["name"]
    example, default = first(item, "example", "sample"), item.get("default")
    choices = first(item, "choices", "enumValues", "enum") or []
    kind = first(item, "kind", "type") or _kind_of(first({"d": default, "e": example}, "d", "e"))
    if kind not in _KINDS:
        raise Invalid(
            f"The input {name!r} is of kind {kind!r}, which cannot be part of a text prompt. "
            f"Use one of {', '.join(sorted(set(_KINDS.values())))}.",
            param=name,
        )
    return Variable(
        name=name,
        kind="choice" if choices else _KINDS[kind],
        default=default,
        example=example,
        description=item.get("description") or "",
        choices=tuple(choices) if isinstance(choices, list) else (choices,),
        required=item.get("required") is not False,
    )


def write_variable(found: Variable) -> Json:
    """The property that `variable` reads back as the same."""
    item: Json = {"name": found.name, "kind": _WRITTEN[found.kind]}
    if found.description:
        item["description"] = found.description
    if found.default is not None:
        item["default"] = found.default
    if found.example is not None:
        item["example"] = found.example
    if found.choices:
        item["enumValues"] = list(found.choices)
    if not found.required or found.default is None:
        item["required"] = found.required
    return item


def json_schema(value: Any, where: str) -> Json | None:
    """A JSON schema from one, or from Prompty's properties; None for an empty value."""
    if not value:
        return None
    if isinstance(value, dict) and is_json_schema(cast(Json, value)):
        return cast(Json, value)
    return _object(properties(value, where), where)


def _object(items: list[Json], where: str) -> Json:
    return {
        "type": "object",
        "properties": {item["name"]: _property(item, where) for item in items},
        "required": [item["name"] for item in items if item.get("required") is not False],
        "additionalProperties": False,
    }


def _property(item: Any, where: str) -> Json:
    item = cast(Json, item) if isinstance(item, dict) else {"kind": item}
    kind = first(item, "kind", "type") or "string"
    if kind not in _JSON_TYPES:
        raise Invalid(f"`{where}` holds the unknown kind {kind!r}. Use string, number, object, ….")
    made: Json = {"type": _JSON_TYPES[kind]}
    if item.get("description"):
        made["description"] = item["description"]
    choices = first(item, "enumValues", "enum", "choices")
    if choices:
        made["enum"] = choices
    if made["type"] == "array" and item.get("items"):
        made["items"] = _property(item["items"], where)
    if made["type"] == "object" and item.get("properties"):
        made.update(_object(properties(item["properties"], where), where))
    return made


def tools(value: Any) -> Tools:
    """The function tools in OpenAI's form; other kinds are left out with a notice."""
    kept: list[Json] = []
    notices: list[str] = []
    for item in _entries(value):
        kind = first(item, "kind", "type") or "function"
        if isinstance(item.get("function"), dict):
            kept.append(item)
        elif kind == "function":
            kept.append(_function(item, notices))
        else:
            notices.append(f"The tool {item['name']!r} is left out: {kind} tools do not run here.")
    return Tools(kept, notices)


def _entries(value: Any) -> list[Json]:
    """Tools as dicts; those in OpenAI's form carry their name inside."""
    if isinstance(value, list):
        items = cast(list[Any], value)
        if all(isinstance(x, dict) and ("name" in x or "function" in x) for x in items):
            return cast(list[Json], items)
    return properties(value, "tools")


def _function(item: Json, notices: list[str]) -> Json:
    where = f"tools.{item['name']}"
    function: Json = {"name": item["name"]}
    if item.get("description"):
        function["description"] = item["description"]
    if item.get("parameters"):
        function["parameters"] = _unbound(item, json_schema(item["parameters"], where), notices)
    if item.get("strict") is not None:
        function["strict"] = item["strict"]
    return {"type": "function", "function": function}


def _unbound(item: Json, schema: Json | None, notices: list[str]) -> Json | None:
    """Prompty hides bound parameters from the model, because it fills them itself."""
    bound = item.get("bindings") or {}
    if schema is None or not bound or not isinstance(schema.get("properties"), dict):
        return schema
    notices.append(
        f"The bindings of the tool {item['name']!r} are left out: tools do not run here."
    )
    return {
        **schema,
        "properties": {k: v for k, v in schema["properties"].items() if k not in bound},
        "required": [name for name in schema.get("required", []) if name not in bound],
    }


def _fits_prompty(function: Json) -> bool:
    parameters = function.get("parameters", {"type": "object"})
    schema = isinstance(parameters, dict) and is_json_schema(cast(Json, parameters))
    return isinstance(function.get("name"), str) and schema


def write_tool(tool: Json) -> Json:
    """The entry that `tools` reads back as the same: Prompty's form where it can hold the tool."""
    function = tool.get("function")
    if isinstance(function, dict) and _fits_prompty(cast(Json, function)):
        item = {"name": function["name"], "kind": "function", **cast(Json, function)}
        plain = {key: function[key] for key in function if key != "name"}
        if all(plain.values()) and _function(item, []) == tool:
            return item
    return tool
