"""Backends: our servers, their memory, their queue."""

from functools import partial

import streamlit as st

from app.workspace.components import access, backends, header, live, table, url
from app.workspace.strings import raw, t
from app.workspace.tabs import backends_drawers, backends_object
from connectors.backends import service

COLUMNS = ("name", "kind", "source", "state", "memory", "speed", "queue", "adapters")


def catalogue() -> None:
    header.head(raw("backends.title"), actions=partial(new, "head"))
    with access.reading() as session:
        found = service.list_backends(session)
    if found:
        moving = any(backends.is_live(one) for one in found)
        live.quietly(listed, alive=moving, every=backends.POLL)
    else:
        header.empty("backends.empty", partial(new, "empty"))
    st.subheader(t("backends.places"), anchor=False)
    backends.places(found)


def listed() -> None:
    with access.reading() as session:
        found = service.list_backends(session)
    rows = [backends.row(one) for one in found]
    headings = {column: raw(f"backends.column_{column}") for column in COLUMNS}
    table.catalogue("backends", rows, headings, alt=raw("backends.title"))


def new(where: str) -> None:
    if backends.may_add():
        st.button(
            t("backends.new"), type="primary" if where == "head" else "secondary",
            icon=":material/add:", key=f"backends_new_{where}", on_click=url.open_drawer,
            args=("new",),
        )  # fmt: skip


def one(name: str) -> None:
    with header.found("backends", name):
        with access.reading() as session:
            found = service.get_backend(session, name)
        header.head(
            found.name, actions=partial(backends_object.act, found), more=backends_drawers.more()
        )  # fmt: skip
        live.live(backends_object.state, alive=backends.is_live(found), every=backends.POLL)
        backends_object.settings(found)


chosen = url.get("id")
if chosen is None:
    catalogue()
else:
    one(chosen)
backends_drawers.draw(chosen)
