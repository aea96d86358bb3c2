"""Language and defaults."""

import streamlit as st

from app.workspace.components import access
from app.workspace.strings import LANGUAGES, raw, t
from connectors import service
from core.users import get_user, set_language
from core.workspace_settings import get_setting, set_setting

_NAMES = {None: "settings.language_auto", "en": "English", "zh": "中文"}


def draw() -> None:
    with access.reading() as session:
        language = get_user(session, access.user_name()).language
        models = [model.name for model in service.list_models(session)]
        default = get_setting(session, "default_model", "demo")
        budget = get_setting(session, "default_budget")
        simple = bool(get_setting(session, "simple_editor", False))
    options = [None, *LANGUAGES]
    _select(
        "language", t("settings.language"), options, options.index(language),
        lambda s, value: set_language(s, access.user_name(), value), _language,
    )  # fmt: skip
    _select(
        "default_model", t("settings.default_model"), models,
        models.index(default) if default in models else 0,
        lambda s, value: set_setting(s, "default_model", value), str,
    )  # fmt: skip
    _budget(budget)
    key = "settings_simple_editor"

    def turned() -> None:
        value = st.session_state[key]
        access.act(lambda s: (set_setting(s, "simple_editor", value), True))

    st.toggle(t("settings.simple_editor"), value=simple, key=key, on_change=turned)


def _budget(now: str | None) -> None:
    key = "settings_default_budget"

    def changed() -> None:
        given = f"{st.session_state[key]:g}" if st.session_state[key] else None
        access.act(lambda session: (set_setting(session, "default_budget", given), True))

    st.number_input(
        t("settings.default_budget"), 0.0, None, float(now) if now else None, step=0.5, key=key,
        on_change=changed, width=320, placeholder=raw("runs.no_budget"),
    )  # fmt: skip


def _language(code: str | None) -> str:
    return raw(_NAMES[code]) if code is None else _NAMES[code]


def _select(name, label, options, place, store, shown) -> None:
    key = f"settings_{name}"

    def changed() -> None:
        value = st.session_state[key]
        access.act(lambda session: (store(session, value), True))

    st.selectbox(
        label, options, index=place, key=key, on_change=changed, format_func=shown, width=320
    )
