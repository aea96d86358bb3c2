"""The words on the screen, from `app/strings/LANGUAGE.toml`."""

import streamlit as st

from app.telling.words import LANGUAGES as LANGUAGES
from app.telling.words import filled
from app.telling.words import table as table
from app.workspace.components.plain import plain

_KEY = "ui_language"


def use_language(language: str) -> None:
    """Set the language of this browser tab's pages."""
    st.session_state[_KEY] = language if language in LANGUAGES else "en"


def language() -> str:
    """The language of this browser tab's pages."""
    return str(st.session_state.get(_KEY, "en"))


def raw(key: str, **params: object) -> str:
    """A text for inert places: options, table headers, `st.text`."""
    return filled(table(language())[key], params)


def t(key: str, **params: object) -> str:
    """A text for labels and captions, where Markdown counts; `params` are escaped."""
    return raw(key, **{name: plain(value) for name, value in params.items()})
