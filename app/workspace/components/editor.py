"""A text field that is live: it tells its text while one types, and never takes keys back."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

from app.server import editor_script
from app.workspace.components import access
from app.workspace.components.completing import Template
from app.workspace.strings import raw
from prompts.completion import FILTERS, TAGS

_HERE = Path(__file__).parent
_EDITOR = component(
    "promptstone_editor",
    html='<div class="editor"><pre class="gutter" aria-hidden="true"></pre>\n'
    '<textarea spellcheck="false" dir="auto"></textarea></div>\n'
    '<p class="fault" id="fault" role="status" hidden></p>',
    css=(_HERE / "editor.css").read_text(encoding="utf-8"),
    js=(_HERE / "editor.js").read_text(encoding="utf-8"),
)


def editor(
    value: str,
    *,
    key: str,
    label: str,
    on_text: Callable[[str], None],
    revision: int = 0,
    height: int = 96,
    numbered: bool = False,
    placeholder: str = "",
    keeps_focus: bool = True,
    template: Template | None = None,
) -> None:
    """Edit `value`; `on_text` gets the text 250 ms after the last key.

    The field takes `value` anew only when `revision` changes. With `template` it is a code editor
    for prompts as soon as its script has come. Where the workspace is set to plain fields it is a
    `st.text_area`, which tells its text when it is left.
    """
    if access.simple_editor():
        _simple(value, f"{key}_{revision}", label, on_text, height, placeholder)
        return
    inner = _inner(key, revision)

    def changed() -> None:
        told = st.session_state[inner].value
        if told is not None:
            on_text(told)

    with st.container(key=key):
        _EDITOR(
            key=inner,
            data={
                "value": value,
                "label": label,
                "height": height,
                "numbered": numbered,
                "placeholder": placeholder,
                "keepsFocus": keeps_focus,
                "script": editor_script.path(),
                "template": None if template is None else _told(template),
                "words": {"completions": raw("editor.completions")},
            },
            on_value_change=changed,
        )


def typed(key: str, revision: int = 0) -> str | None:
    """What stands in the field right now, for a callback that must not wait; None: untouched."""
    simple = st.session_state.get(f"{key}_{revision}")
    if isinstance(simple, str):
        return simple
    state = st.session_state.get(_inner(key, revision))
    return getattr(state, "value", None)


def _told(template: Template) -> dict[str, object]:
    fault = template.fault
    return {
        "variables": template.variables,
        "filters": FILTERS,
        "tags": TAGS,
        "snippets": template.snippets,
        "fault": None if fault is None else fault._asdict(),
    }


def _inner(key: str, revision: int) -> str:
    return f"{key}_{revision}_editor"


def _simple(
    value: str, key: str, label: str, on_text: Callable[[str], None], height: int, hint: str
) -> None:
    def changed() -> None:
        on_text(st.session_state[key])

    st.session_state.setdefault(key, value)
    st.text_area(
        label, key=key, on_change=changed, height=height, placeholder=hint,
        label_visibility="collapsed",
    )  # fmt: skip
