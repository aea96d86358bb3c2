"""The words on the screen, from `app/strings/LANGUAGE.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from app.workspace.components.plain import plain

FOLDER = Path(__file__).parent.parent / "strings"
LANGUAGES = ("en", "zh")
_KEY = "ui_language"


@cache
def table(language: str) -> Mapping[str, str]:
    """All texts of a language by dotted key."""
    with (FOLDER / f"{language}.toml").open("rb") as file:
        return dict(_flat(tomllib.load(file), ""))


def _flat(node: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in node.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, value))
    return found


def use_language(language: str) -> None:
    """Set the language of this browser tab's pages."""
    st.session_state[_KEY] = language if language in LANGUAGES else "en"


def language() -> str:
    """The language of this browser tab's pages."""
    return str(st.session_state.get(_KEY, "en"))


def raw(key: str, **params: object) -> str:
    """A text for inert places: options, table headers, `st.text`."""
    text = table(language())[key]
    return text.format(**params) if params else text


def t(key: str, **params: object) -> str:
    """A text for labels and captions, where Markdown counts; `params` are escaped."""
    return raw(key, **{name: plain(value) for name, value in params.items()})
