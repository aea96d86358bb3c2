"""The tools of a prompt and what they are said to answer, as fields."""

import json
from typing import Any, cast

import streamlit as st

from app.workspace.components.json_field import json_field
from app.workspace.components.plain import plain
from app.workspace.components.working import Working
from app.workspace.strings import raw
from core.errors import Invalid
from prompts.checks import check_schema
from prompts.mocks import name_of, tool_fault

Json = dict[str, Any]


def schema(copy: Working) -> None:
    """The JSON schema of the answer."""

    def store(value: Any) -> None:
        if value is not None:
            check_schema(value)
        copy.set("outputs", value)

    json_field(copy, "prompts.schema", copy.content.get("outputs"), store)


def tools(copy: Working) -> None:
    """The tools, for each a mocked result, and results that go by the arguments."""
    listed = cast(list[Json], copy.content.get("tools") or [])
    json_field(copy, "prompts.tools", listed or None, lambda value: _keep(copy, value))
    names = [name for tool in listed if (name := name_of(tool))]
    for name in dict.fromkeys(names):
        _result(copy, name)
    exact = [one for one in _mocks(copy) if one.get("arguments") is not None]
    if names:
        json_field(copy, "prompts.mocks", exact or None, lambda value: _keep_exact(copy, value))


def _mocks(copy: Working) -> list[Json]:
    return cast(list[Json], copy.content.get("mocks") or [])


def _keep(copy: Working, value: Any) -> None:
    if value is not None and not isinstance(value, list):
        raise Invalid(raw("prompts.tools_list"), param="tools")
    listed = cast(list[Any], value or [])
    for number, tool in enumerate(listed, 1):
        fault = tool_fault(tool)
        if fault is not None:
            raise Invalid(raw("prompts.tool_fault", n=number, fault=fault), param="tools")
    names = {name_of(tool) for tool in listed}
    if "mocks" in copy.content:
        copy.content["mocks"] = [one for one in _mocks(copy) if one.get("tool") in names]
    copy.set("tools", listed)


def _result(copy: Working, tool: str) -> None:
    """What it answers whatever it is asked; empty is no mock."""
    key = f"mock_{copy.name}_{copy.revision}_{tool}"
    found = next(
        (o for o in _mocks(copy) if o["tool"] == tool and o.get("arguments") is None), None
    )

    def changed() -> None:
        text = st.session_state[key]
        kept = [one for one in _mocks(copy) if one is not found]
        copy.set("mocks", [*kept, {"tool": tool, "result": _value(text)}] if text.strip() else kept)

    shown = "" if found is None else _text(found["result"])
    label = plain(raw("prompts.mock_of", tool=tool))
    st.text_area(label, value=shown, key=key, on_change=changed, height=68)


def _keep_exact(copy: Working, value: Any) -> None:
    """A list of `{tool, arguments, result}`."""
    entries = cast(list[Any], value or [])
    names = {name_of(tool) for tool in cast(list[Json], copy.content.get("tools") or [])}
    fits = isinstance(entries, list) and all(
        isinstance(one, dict)
        and cast(Json, one).keys() == {"tool", "arguments", "result"}
        and one["tool"] in names
        and one["arguments"] is not None
        for one in entries
    )
    if not fits:
        raise Invalid(raw("prompts.mocks_form"), param="mocks")
    plain_ones = [one for one in _mocks(copy) if one.get("arguments") is None]
    copy.set("mocks", [*entries, *plain_ones])


def _value(text: str) -> Any:
    """JSON where it is an object or a list, else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict | list) else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
