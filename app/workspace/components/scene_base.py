"""Which knowledge base a column of the playground reads from, and how it is searched."""

from collections.abc import Sequence

import streamlit as st

from app.workspace.components import base_passages
from app.workspace.components.scene_copy import SceneCopy
from app.workspace.components.search_fields import MODES
from app.workspace.strings import raw, t
from prompts.scene import Column


def choose(copy: SceneCopy, column: Column, names: Sequence[str]) -> None:
    """The base of a column whose prompt takes passages; nothing where there is none at all."""
    if not names and column.kb is None:
        return

    def keep(picked: str | None) -> None:
        search = {} if picked is None else column.search
        copy.change(lambda state: state.with_column(column.id, kb=picked, search=search))

    base_passages.choose(f"{copy.key(column)}_kb", column.kb, names, keep)


def search(copy: SceneCopy, column: Column) -> None:
    """What of the base's search settings is to be other in this column."""
    mode, top_k = f"{copy.key(column)}_mode", f"{copy.key(column)}_top_k"

    def keep(name: str, key: str) -> None:
        rest = {one: value for one, value in column.search.items() if one != name}
        given = st.session_state[key]
        after = rest if given is None else {**rest, name: given}
        copy.change(lambda state: state.with_column(column.id, search=after))

    st.session_state[mode] = column.search.get("mode")
    st.selectbox(
        t("playground.search_mode"), MODES, index=None, key=mode, on_change=keep,
        args=("mode", mode), format_func=lambda code: raw(f"knowledge.mode_{code}"),
        placeholder=raw("playground.of_base"),
    )  # fmt: skip
    st.number_input(
        t("playground.search_top_k"), 1, 200, column.search.get("top_k"), key=top_k, on_change=keep,
        args=("top_k", top_k), placeholder=raw("playground.of_base"),
    )  # fmt: skip
