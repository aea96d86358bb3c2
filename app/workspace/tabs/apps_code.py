"""How programs call an app, and the keys that let them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal

import streamlit as st

from app.workspace.components import (
    access,
    api_keys,
    drawer,
    endpoint,
    publishing,
    snippets,
    table,
    url,
)
from app.workspace.components.plain import visible
from app.workspace.components.publishing import View
from app.workspace.components.snippets import Example
from app.workspace.strings import raw, t
from serving.key_forms import KeyCreate
from serving.keys import create_key, list_keys

LANGUAGES: Mapping[str, Callable[[str, Example], str]] = {
    "curl": snippets.curl,
    "python": snippets.python,
    "typescript": snippets.typescript,
    "invoke": snippets.invoke,
}
COLUMNS = ("name", "prefix", "limits", "used", "last_use", "expires")


def draw(seen: View) -> None:
    if not seen.app.newest:
        st.caption(t("apps.no_release"))
        return
    release = publishing.manifest(seen.name, endpoint.model_ref(seen))
    call, address = snippets.example(endpoint.model_name(seen), release), endpoint.address()
    if not seen.aliases:
        st.caption(t("apps.no_alias", model=call.model))
    language = url.choice(
        "apps", "lang", list(LANGUAGES), lambda c: raw(f"apps.lang_{c}"), raw("apps.tab_code")
    )
    # Without colours: those of the highlighter are too pale to read.
    st.code(LANGUAGES[language](address, call), language=None, wrap_lines=True)
    st.caption(t(f"apps.lang_{language}_help"))
    st.subheader(t("apps.feedback"), anchor=False)
    st.caption(t("apps.feedback_help"))
    st.code(snippets.feedback(address), language=None, wrap_lines=True)
    _keys(seen)


def _keys(seen: View) -> None:
    st.subheader(t("apps.keys"), anchor=False)
    if publishing.may_publish():
        st.button(
            t("apps.new_key"), key="key_new", icon=":material/key:", on_click=url.open_drawer,
            args=("key",),
        )  # fmt: skip
    with access.reading() as session:
        mine = [key for key in list_keys(session) if seen.name in key.apps and not key.revoked_at]
    if not mine:
        st.caption(t("apps.no_keys"))
        return
    rows = [{"name": key.name, **api_keys.cells(key)} for key in mine]
    table.still(rows, {c: raw(f"apikeys.column_{c}") for c in COLUMNS}, alt=raw("apps.keys"))


def key_drawer(seen: View) -> None:
    """A key for this app alone; it is told here and nowhere else."""
    with drawer.form("app_key"):
        name = st.text_input(t("apps.key_name"), key="key_name", help=t("prompts.name_help"))
        rpm = st.number_input("RPM", 1, None, None, key="key_rpm", placeholder=raw("apps.no_limit"))
        tpm = st.number_input("TPM", 1, None, None, key="key_tpm", placeholder=raw("apps.no_limit"))
        budget = st.number_input(
            t("apps.key_budget"), 0.0, None, None, key="key_budget",
            placeholder=raw("runs.no_budget"),
        )  # fmt: skip
        expires = st.date_input(t("apps.key_expires"), value=None, min_value="today", key="key_end")

        def create() -> str:
            publishing.checked_role()
            end = datetime.combine(expires, time.max, UTC) if expires else None
            form = KeyCreate(
                name=name.strip(), apps=(seen.name,), rpm=rpm, tpm=tpm,
                budget_day=Decimal(str(budget)) if budget else None, expires_at=end,
            )  # fmt: skip
            with access.writing() as session:
                return create_key(session, form).key

        token = drawer.submit_outside("apps.create_key", create)
    if token is not None:
        st.text(raw("apps.key_once", name=visible(name.strip())))
        st.code(token, language=None)
