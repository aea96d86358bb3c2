"""API keys: who may call what, and one key with its limits, its use and its end."""

from functools import partial

import streamlit as st

from app.workspace.components import (
    access,
    api_keys,
    header,
    numbers,
    publishing,
    table,
    uploads,
    url,
)
from app.workspace.strings import raw, t
from app.workspace.tabs import keys_drawers
from core.errors import NotFound
from rag.access import rules_of
from serving.key_forms import KeyPublic
from serving.keys import list_keys

KEYS = {"O": "keys.open", "N": "keys.next", "P": "keys.previous"}
COLUMNS = (
    "name", "prefix", "apps", "person", "limits", "used", "last_use", "expires", "state",
)  # fmt: skip
COLORS = {"good": "green", "expired": "orange", "revoked": "gray"}


def catalogue() -> None:
    header.head(raw("apikeys.title"), actions=new, page_keys=KEYS)
    with access.reading() as session:
        found = list_keys(session)
    if not found:
        header.empty("apikeys.empty", partial(new, "empty"))
        return
    names = [key.name for key in found]
    after = url.get("after")
    start = names.index(after) + 1 if after in names else 0
    shown = found[start : start + table.PAGE]
    rows = [{"name": key.name, "state": state(key), **api_keys.cells(key)} for key in shown]
    headings = {column: raw(f"apikeys.column_{column}") for column in COLUMNS}
    table.catalogue("keys", rows, headings, alt=raw("apikeys.title"))
    more = shown[-1].name if start + table.PAGE < len(found) else None
    table.pager("keys", before="" if start else None, after=more)


def state(key: KeyPublic) -> str:
    return raw(f"apikeys.state_{api_keys.state(key)}")


def new(where: str = "head") -> None:
    if publishing.may_publish():
        st.button(
            t("apikeys.new"), type="primary" if where == "head" else "secondary",
            on_click=url.open_drawer, args=("new",), key=f"keys_new_{where}",
            icon=":material/add:",
        )  # fmt: skip


def one(name: str) -> None:
    with access.shown_errors():
        with access.reading() as session:
            key = next((key for key in list_keys(session) if key.name == name), None)
            rules = rules_of(session, api_keys.subject(key)) if key else []
        if key is None:
            raise NotFound(f"There is no key {name!r}. Choose one of the list.")
        header.head(
            name, badges=[(state(key), COLORS[api_keys.state(key)])], actions=partial(revoke, key)
        )
        facts = {**api_keys.cells(key), "created": numbers.moment(key.created_at)}
        table.still(
            [
                {"setting": raw(f"apikeys.column_{column}"), "value": value}
                for column, value in facts.items()
            ],
            {column: raw(f"columns.{column}") for column in ("setting", "value")},
            alt=name, widths={"setting": 180},
        )  # fmt: skip
        if key.scope == "apps":
            st.caption(t("apikeys.subject", subject=api_keys.subject(key)))
        for rule in rules:
            allowed = uploads.as_text(dict(rule.allowed)) or raw("knowledge.everything")
            st.caption(t("apikeys.rule", base=rule.base, allowed=allowed))
        keys_drawers.draw(key)


def revoke(key: KeyPublic) -> None:
    if publishing.may_publish() and key.revoked_at is None:
        st.button(
            t("apikeys.revoke"), type="primary", on_click=url.open_drawer, args=("revoke",),
            key="key_revoke", icon=":material/close:",
        )  # fmt: skip


chosen = url.get("id")
if chosen is None:
    catalogue()
    keys_drawers.draw(None)
else:
    one(chosen)
