"""Fields of a scene: shared values, and what each column is made of."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from app.workspace.components import access, editor, fields, url
from app.workspace.components.plain import plain
from app.workspace.components.scene_copy import SceneCopy, text_of
from app.workspace.strings import raw, t
from prompts import service
from prompts.content import PromptContent, Variable
from prompts.models import PromptSummary
from prompts.scene import MOST_REPEATS, Column

_TEXTS = ("text", "list", "json", "thread")
_VERSIONS = 50
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


def source(copy: SceneCopy, column: Column, prompts: Mapping[str, PromptSummary]) -> None:
    """Which prompt and which version of it; not while the column holds unsaved text."""
    key = copy.key(column)
    why = t("playground.changed_help") if column.changed else None
    names = list(prompts)
    if column.prompt is not None and column.prompt not in prompts:
        names.insert(0, column.prompt)

    def other_prompt() -> None:
        name = st.session_state[f"{key}_prompt"]
        if name is not None:
            _load(copy, column.id, name, "latest")

    def other_version() -> None:
        _load(copy, column.id, column.prompt or "", st.session_state[f"{key}_version"])

    with st.container(horizontal=True, gap="xsmall"):
        st.selectbox(
            t("columns.prompt"), names, key=f"{key}_prompt", on_change=other_prompt,
            index=names.index(column.prompt) if column.prompt is not None else None,
            placeholder=raw("playground.no_prompt"), disabled=column.changed, help=why,
        )  # fmt: skip
        numbers, labels = _versions(column, prompts)
        st.selectbox(
            t("columns.version"), numbers, key=f"{key}_version", on_change=other_version,
            index=numbers.index(column.version) if column.version in numbers else None,
            format_func=lambda n: labels.get(n, str(n)), disabled=column.changed or not numbers,
            placeholder="–", width=145,
        )  # fmt: skip


def _versions(
    column: Column, prompts: Mapping[str, PromptSummary]
) -> tuple[list[int], dict[int, str]]:
    found = prompts.get(column.prompt or "")
    if found is None:
        return ([column.version] if column.version is not None else []), {}
    numbers = list(range(found.newest, max(found.newest - _VERSIONS, 0), -1))
    if column.version is not None and column.version not in numbers:
        numbers.append(column.version)
    labels = {n: str(n) for n in numbers}
    for alias, number in found.aliases.items():
        if number in labels:
            labels[number] += f" · {alias}"
    return numbers, labels


def _load(copy: SceneCopy, column_id: str, name: str, ref: str | int) -> None:
    def read(session: Any) -> tuple[int, PromptContent]:
        version = service.get(session, name, ref)
        return version.version, version.content

    found = access.act(read)
    if found is not None:
        number, content = found
        copy.load(
            column_id, prompt=name, version=number, changed=False,
            content=content.model_dump(mode="json"),
        )  # fmt: skip


def discard(copy: SceneCopy, column: Column) -> None:
    """Give the unsaved text of a column up."""
    if column.prompt is not None and column.version is not None:
        _load(copy, column.id, column.prompt, column.version)


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
    """The column's own parameters, and those that its model brings along."""
    with st.popover(
        t("prompts.settings"), icon=":material/tune:", key=f"settings_{copy.face}_{column.id}"
    ):
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
