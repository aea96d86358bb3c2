"""A text field that is live: it tells its text while one types, and never takes keys back."""

from collections.abc import Callable
from dataclasses import dataclass
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
_LIVE = "live_editors"


@dataclass
class _Live:
    """A field as it was drawn last: who hears of its text, and the text that was told."""

    on_text: Callable[[str], None]
    told: str | None


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
    _live()[inner] = _Live(on_text, _standing(inner))

    def changed() -> None:
        _tell(inner)

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


def take() -> None:
    """Tell what stands in the fields, before a button acts on it.

    Streamlit calls the callback of a component after those of buttons that came with the same
    message, so a callback that reads or replaces what is typed begins with this. A text is told
    once, here or by its field.
    """
    live = _live()
    for inner in list(live):
        if inner in st.session_state:
            _tell(inner)
        else:
            del live[inner]


def typed(key: str, revision: int = 0) -> str | None:
    """What stands in the field right now, in a callback that keeps it itself; None: untouched."""
    simple = st.session_state.get(f"{key}_{revision}")
    if isinstance(simple, str):
        return simple
    inner = _inner(key, revision)
    text = _standing(inner)
    if inner in _live():
        _live()[inner].told = text
    return text


def _live() -> dict[str, _Live]:
    return st.session_state.setdefault(_LIVE, {})


def _standing(inner: str) -> str | None:
    return getattr(st.session_state.get(inner), "value", None)


def _tell(inner: str) -> None:
    text, field = _standing(inner), _live().get(inner)
    if field is None or text is None or text == field.told:
        return
    field.told = text
    field.on_text(text)


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
