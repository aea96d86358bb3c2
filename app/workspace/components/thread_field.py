"""A list of chat turns as a value: rows with roles, or JSON."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import pandas as pd
import streamlit as st

from app.workspace.components import access
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import Invalid
from prompts.content import Variable
from prompts.conversion import ConversionError, convert

_ROLES = ("user", "assistant", "system")
Turn = dict[str, str]


def thread_field(
    variable: Variable, start: Any, *, key: str, store: Callable[[list[Turn]], None]
) -> None:
    """`store` gets the turns whenever a row or the JSON has changed.

    The table's rows stay those it began with, because its changes are told against them; JSON, or a
    value from elsewhere, begins a new table.
    """
    table = _table(key, _turns(start))
    st.caption(plain(variable.name), help=plain(variable.description) or None)
    edited = st.data_editor(
        pd.DataFrame(table.base, columns=["role", "content"]), key=f"{key}_table_{table.number}",
        num_rows="dynamic", hide_index=True, alt=raw("prompts.turns"),
        column_config={
            "role": st.column_config.SelectboxColumn(
                raw("prompts.role"), options=list(_ROLES), default="user", required=True
            ),
            "content": st.column_config.TextColumn(raw("prompts.turn_text"), width="large"),
        },
    )  # fmt: skip
    rows = cast(list[dict[str, Any]], edited.to_dict("records"))
    turns = [{"role": str(r["role"]), "content": _said(r["content"])} for r in rows if r["role"]]
    if turns != table.told:
        st.session_state[f"{key}_base"] = table._replace(told=turns)
        store(turns)
    _as_json(turns, key=key, number=table.number, store=store)


class _Table(NamedTuple):
    """The rows that a table began with, and what was told of it last."""

    number: int
    base: list[Turn]
    told: list[Turn]


def _table(key: str, value: list[Turn]) -> _Table:
    found: _Table | None = st.session_state.get(f"{key}_base")
    if found is None or found.told != value:
        found = _Table(found.number + 1 if found else 0, value, value)
        st.session_state[f"{key}_base"] = found
    return found


def _as_json(
    turns: Sequence[Turn], *, key: str, number: int, store: Callable[[list[Turn]], None]
) -> None:
    field = f"{key}_json"

    def changed() -> None:
        try:
            given = _checked(st.session_state[field])
        except Invalid as error:
            access.refuse(error)
            return
        st.session_state[f"{key}_base"] = _Table(number + 1, given, given)
        store(given)

    with st.popover(t("prompts.turns_json"), key=f"{key}_popover", type="tertiary"):
        text = json.dumps(turns, indent=2, ensure_ascii=False) if turns else ""
        st.text_area(
            t("prompts.turns_json"), value=text, key=field, on_change=changed, height=140,
            help=t("prompts.turns_help"),
        )  # fmt: skip


def _checked(text: str) -> list[Turn]:
    try:
        return convert("thread", text if text.strip() else "[]", ())
    except ConversionError as error:
        raise Invalid(raw("prompts.turns_wrong", fault=str(error)), param="thread") from None


def _turns(value: Any) -> list[Turn]:
    """What is given as turns; nothing where it is none."""
    try:
        return convert("thread", value or [], ())
    except ConversionError:
        return []


def _said(value: Any) -> str:
    return value if isinstance(value, str) else ""
