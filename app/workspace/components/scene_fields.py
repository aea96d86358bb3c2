"""Fields of a scene: shared values, and what each column is made of."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from app.workspace.components import editor, fields, scene_base, url
from app.workspace.components.plain import plain
from app.workspace.components.scene_copy import SceneCopy, text_of
from app.workspace.strings import raw, t
from prompts.content import Variable
from prompts.scene import MOST_REPEATS, Column

_TEXTS = ("text", "list", "json", "thread")
VIEWS = ("text", "markdown", "json", "diff")


class SceneValues:
    """The scene's values as the typed fields of prompts change them."""

    def __init__(self, copy: SceneCopy) -> None:
        self.copy = copy
        self.name = copy.face
        self.values: dict[str, Any] = dict(copy.mine.values)

    def keep_try(self) -> None:
        values = dict(self.values)
        self.copy.change(lambda state: state.replaced(values={**state.values, **values}))


def values(copy: SceneCopy, known: Sequence[Variable]) -> None:
    """One field a variable; texts are live, so that neither a reload nor a crash loses them."""
    typed = SceneValues(copy)
    with st.grid("auto", min_column_width=260, gap="small"):
        for variable in known:
            with st.container(gap=None):
                if variable.kind in _TEXTS:
                    _text(copy, variable)
                else:
                    fields.values(typed, [variable])


def _text(copy: SceneCopy, variable: Variable) -> None:
    found = copy.mine.values.get(variable.name, variable.example or variable.default)
    text = found if isinstance(found, str) else "" if found is None else json.dumps(found)

    def told(text: str) -> None:
        copy.change(lambda state: state.replaced(values={**state.values, variable.name: text}))

    st.caption(plain(variable.name), help=plain(variable.description) or None)
    editor.editor(
        text, key=f"value_{copy.face}_{variable.name}", label=variable.name, on_text=told, height=68
    )


def model(copy: SceneCopy, column: Column, names: Sequence[str]) -> None:
    """Which model answers."""
    key = f"{copy.key(column)}_model"
    options = list(names) if column.model in (*names, None) else [column.model, *names]

    def changed() -> None:
        picked = st.session_state[key]
        copy.change(lambda state: state.with_column(column.id, model=picked))

    st.selectbox(
        t("prompts.model"), options, key=key, on_change=changed,
        index=options.index(column.model) if column.model is not None else None,
        placeholder=raw("runs.choose"),
    )  # fmt: skip


def settings(copy: SceneCopy, column: Column, of_model: str) -> None:
    """How the column's base is searched, its own parameters, and those that its model brings."""
    with st.popover(
        t("prompts.settings"), icon=":material/tune:", key=f"settings_{copy.face}_{column.id}"
    ):
        if column.kb is not None:
            scene_base.search(copy, column)
        fields.parameters(text_of(copy, column))
        st.caption(t("playground.of_model", params=of_model))


def repeats(copy: SceneCopy) -> None:
    """How often each column answers."""
    key = f"repeats_{copy.face}"

    def changed() -> None:
        copy.change(lambda state: state.replaced(repeats=st.session_state[key]))

    st.number_input(
        t("runs.repeats"), 1, MOST_REPEATS, copy.mine.repeats, key=key, on_change=changed, width=110
    )


def view(copy: SceneCopy) -> None:
    """How answers are looked at; a matter of the scene, so that a link shows the same."""
    key = f"view_{copy.stored.id}"
    st.session_state[key] = copy.mine.view

    def changed() -> None:
        copy.change(lambda state: state.replaced(view=st.session_state[key]))

    st.segmented_control(
        t("playground.view"), VIEWS, key=key, on_change=changed, required=True,
        format_func=lambda code: raw(f"playground.view_{code}"), label_visibility="collapsed",
    )  # fmt: skip


def menu(copy: SceneCopy, column: Column, actions: Mapping[str, Callable[[], None]]) -> None:
    """What else can be done with a column, by string key."""
    key = f"menu_{copy.face}_{column.id}"

    def picked() -> None:
        code = st.session_state[key]
        if code in actions:
            actions[code]()

    st.menu_button(
        t("header.more"), list(actions), key=key, format_func=raw, on_click=picked, type="tertiary"
    )


def open_drawer(name: str, column: Column | None = None) -> None:
    """Open a drawer for a column."""
    url.put(do=name, sel=None if column is None else column.id)
