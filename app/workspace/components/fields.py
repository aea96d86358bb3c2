"""Fields for a prompt's settings and for the values one tries it with."""

import json
from collections.abc import Callable
from typing import Any, Protocol

import pandas as pd
import streamlit as st

from app.workspace.components import access, tool_fields
from app.workspace.components.json_field import json_field
from app.workspace.components.plain import plain
from app.workspace.components.thread_field import thread_field
from app.workspace.components.working import Working
from app.workspace.strings import raw, t
from connectors.service import list_models
from prompts.content import Kind, Variable
from prompts.template import VariableReport

KINDS: tuple[Kind, ...] = ("text", "number", "boolean", "choice", "list", "json", "thread")
_COLUMNS = ("name", "kind", "default", "example", "description", "choices", "required")


def settings(copy: Working, report: VariableReport | None) -> None:
    """Two popovers: what is sent beside the messages, and the declarations of the variables."""
    with st.popover(t("prompts.settings"), icon=":material/tune:"):
        _own_model(copy)
        parameters(copy)
    if report is not None and report.used:
        with st.popover(t("prompts.variables"), icon=":material/data_object:"):
            _declarations(copy, report)


def parameters(copy: Working) -> None:
    """What goes over the wire beside the messages."""
    _number(copy, "temperature", 0.0, 2.0, 0.1)
    _number(copy, "max_tokens", 1, 1_000_000, 1)
    known = {"temperature", "max_tokens"}
    others = {k: v for k, v in copy.content.get("options", {}).items() if k not in known}
    json_field(copy, "prompts.other_options", others or None, _merged_options(copy, known))
    tool_fields.schema(copy)
    tool_fields.tools(copy)


def _own_model(copy: Working) -> None:
    """The model that the version names for who runs it without choosing one."""
    key = f"option_{copy.name}_{copy.revision}_model"
    with access.reading() as session:
        names = [one.name for one in list_models(session)]
    own = copy.content.get("model")
    options = names if own is None or own in names else [own, *names]
    st.session_state[key] = own  # with an index of its own the field could not be emptied
    st.selectbox(
        t("prompts.own_model"), options, index=None, key=key,
        on_change=lambda: copy.set("model", st.session_state[key]),
        placeholder=raw("prompts.no_own_model"), help=t("prompts.own_model_help"),
    )  # fmt: skip


def _number(copy: Working, name: str, low: float, high: float, step: float) -> None:
    key = f"option_{copy.name}_{copy.revision}_{name}"
    options = copy.content.get("options", {})

    def changed() -> None:
        rest = {k: v for k, v in copy.content.get("options", {}).items() if k != name}
        given = st.session_state[key]
        copy.set("options", rest if given is None else {**rest, name: given})

    value = options.get(name)
    st.number_input(
        plain(name), min_value=low, max_value=high, step=step, value=value,
        key=key, on_change=changed, placeholder=raw("prompts.not_sent"),
    )  # fmt: skip


def _merged_options(copy: Working, known: set[str]) -> Callable[[Any], None]:
    def merge(others: Any) -> None:
        if others is not None and not isinstance(others, dict):
            raise ValueError
        kept = {k: v for k, v in copy.content.get("options", {}).items() if k in known}
        copy.set("options", {**kept, **(others or {})})

    return merge


def _declarations(copy: Working, report: VariableReport) -> None:
    key = f"declared_{copy.name}_{copy.revision}"
    rows = [_row(variable) for variable in copy.inputs(report.used)]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    kinds = {kind: raw(f"prompts.kind_{kind}") for kind in KINDS}
    edited = st.data_editor(
        frame,
        key=key,
        hide_index=True,
        disabled=["name"],
        alt=raw("prompts.variables"),
        column_config={
            "name": st.column_config.TextColumn(raw("prompts.variable")),
            "kind": st.column_config.SelectboxColumn(
                raw("prompts.kind"),
                options=list(KINDS),
                format_func=lambda kind: kinds[str(kind)],
                required=True,
            ),
            "default": st.column_config.TextColumn(raw("prompts.default")),
            "example": st.column_config.TextColumn(raw("prompts.example")),
            "description": st.column_config.TextColumn(raw("prompts.description")),
            "choices": st.column_config.TextColumn(raw("prompts.choices")),
            "required": st.column_config.CheckboxColumn(raw("prompts.required")),
        },
    )
    records: list[dict[str, Any]] = edited.to_dict("records")  # type: ignore[assignment]
    found = [_item(row) for row in records]
    if found != [_item(row) for row in rows]:
        copy.set("inputs", found)


def _row(variable: Variable) -> dict[str, Any]:
    data = variable.model_dump(mode="json")
    shown = {key: _shown(data[key]) for key in ("default", "example")}
    choices = ", ".join(_shown(choice) or "" for choice in data["choices"])
    return {**{key: data[key] for key in _COLUMNS}, **shown, "choices": choices}


def _shown(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _item(row: dict[str, Any]) -> dict[str, Any]:
    choices = [part.strip() for part in str(row["choices"] or "").split(",") if part.strip()]
    item: dict[str, Any] = {"name": row["name"], "kind": row["kind"]}
    for part in ("default", "example"):
        value = row[part]
        item[part] = value if isinstance(value, str) and value else None
    item["description"] = row["description"] or ""
    item["choices"] = choices if row["kind"] == "choice" else []
    item["required"] = bool(row["required"])
    return item


class Tried(Protocol):
    """What is tried with values: `name` tells its fields from others', `keep_try` stores them."""

    values: dict[str, Any]

    @property
    def name(self) -> str: ...

    def keep_try(self) -> None: ...


def values(copy: Tried, variables: list[Variable]) -> None:
    """One typed field a variable; what is given stays in `copy.values`."""
    for variable in variables:
        _value(copy, variable)


def _value(copy: Tried, variable: Variable) -> None:
    key = f"value_{copy.name}_{variable.name}_{variable.kind}"
    start = copy.values.get(variable.name, variable.example or variable.default)

    def changed() -> None:
        copy.values[variable.name] = st.session_state[key]
        copy.keep_try()

    common: dict[str, Any] = {
        "key": key,
        "on_change": changed,
        "help": plain(variable.description) or None,
    }
    label = plain(variable.name)
    if variable.kind == "number":
        number = (
            float(start) if isinstance(start, int | float | str) and _is_number(start) else None
        )
        st.number_input(label, value=number, **common)
    elif variable.kind == "boolean":
        options = [True, False]
        st.segmented_control(
            label, options, default=start if start in options else None,
            format_func=lambda value: raw("prompts.yes" if value else "prompts.no"), **common,
        )  # fmt: skip
    elif variable.kind == "choice":
        options = list(variable.choices)
        place = options.index(start) if start in options else None
        st.selectbox(
            label, options, index=place, format_func=str, placeholder=raw("runs.choose"), **common
        )
    elif variable.kind == "thread":

        def keep(turns: list[dict[str, str]]) -> None:
            copy.values[variable.name] = turns
            copy.keep_try()

        thread_field(variable, start, key=key, store=keep)
    else:
        text = start if isinstance(start, str) else "" if start is None else json.dumps(start)
        st.text_area(label, value=text, height=68, **common)


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True
