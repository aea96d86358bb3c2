"""Mocked results of tools, and the conversation that goes on with them."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson
from pydantic import BaseModel, ConfigDict, Field

from core.canonical import canonical_json
from prompts.fields import JsonValue, Text

ROUNDS = 5
"""How often a trial or a run goes on with mocked results before an answer is left as it is."""
Json = dict[str, Any]


class ToolMock(BaseModel):
    """What a tool is said to have answered: a text, or JSON that is sent as text.

    With `arguments` only to a call with equal ones; a call goes to the first of these, or else to
    the first without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: Text = Field(min_length=1, max_length=128)
    result: JsonValue
    arguments: JsonValue = None


def name_of(tool: Mapping[str, Any]) -> str | None:
    """The name of a tool in OpenAI's form."""
    function = tool.get("function")
    name = cast(Json, function).get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) and name else None


def tool_fault(tool: Any) -> str | None:
    """Why this is no function tool in OpenAI's form; None where it is."""
    if not isinstance(tool, dict) or cast(Json, tool).get("type") != "function":
        return "has no `type: function`"
    function = cast(Json, tool).get("function")
    if not isinstance(function, dict) or name_of(cast(Json, tool)) is None:
        return "has no `function` with a `name`"
    parameters = cast(Json, function).get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        return "has `parameters` that are no JSON schema"
    return None


def called(call: Mapping[str, Any]) -> tuple[str, Any]:
    """Name and arguments of a tool call; arguments that are no JSON stay as their text."""
    function = cast(Json, call.get("function") or {})
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError):
            arguments = orjson.loads(arguments) if arguments.strip() else {}
    return str(function.get("name") or ""), arguments


def result_of(mocks: Sequence[ToolMock], name: str, arguments: Any) -> str | None:
    """The text that goes back to the model; None where nothing is mocked for this call."""
    fitting = [one for one in mocks if one.tool == name]
    given = canonical_json(arguments)
    exact = (
        one
        for one in fitting
        if one.arguments is not None and canonical_json(one.arguments) == given
    )
    found = next(exact, None) or next((one for one in fitting if one.arguments is None), None)
    if found is None:
        return None
    return found.result if isinstance(found.result, str) else orjson.dumps(found.result).decode()


def results(mocks: Sequence[ToolMock], calls: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """One result a call; None where a call has none, so that the conversation cannot go on."""
    found = [result_of(mocks, *called(call)) for call in calls]
    known = [one for one in found if one is not None]
    return known if calls and len(known) == len(found) else None


def carried_on(
    messages: Sequence[Mapping[str, Any]],
    text: str,
    calls: Sequence[Mapping[str, Any]],
    mocks: Sequence[ToolMock],
) -> list[Json] | None:
    """The messages with the model's calls and their mocked results; None where one has none."""
    answers = results(mocks, calls)
    if answers is None:
        return None
    numbered = [{**call, "id": call.get("id") or f"call_{n}"} for n, call in enumerate(calls)]
    said: Json = {"role": "assistant", "content": text or None, "tool_calls": numbered}
    told = [
        {"role": "tool", "tool_call_id": call["id"], "content": answer}
        for call, answer in zip(numbered, answers, strict=True)
    ]
    return [*(dict(one) for one in messages), said, *told]
