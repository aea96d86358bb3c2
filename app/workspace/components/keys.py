"""Keys of the whole workspace, and the list of a page's keys."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

from app.workspace.strings import language, raw, t

_KEYS = component(
    "promptstone_keys",
    html="<span hidden>\n</span>",
    js=(Path(__file__).parent / "keys.js").read_text(encoding="utf-8"),
)
_TAGS = {"en": "en", "zh": "zh-CN"}
EVERYWHERE = {"/": "keys.goto", "Esc": "keys.leave"}


def mount(fields: Mapping[str, str]) -> None:
    """Install the script once; `fields` maps a letter to the key of the field it focuses."""
    with st.container(key="keys_script", height=1, border=False):
        _KEYS(key="promptstone_keys", data={"lang": _TAGS[language()], "fields": dict(fields)})


def popover(page_keys: Mapping[str, str]) -> None:
    """The "Keys" popover: a key and what it does, by string key."""
    with st.popover(t("keys.title"), icon=":material/keyboard:", type="tertiary"):
        rows = {key: raw(name) for key, name in {**page_keys, **EVERYWHERE}.items()}
        with st.grid(2, gap="xsmall"):
            for key, meaning in rows.items():
                st.code(key, language=None)
                st.text(meaning)
