"""Decisions about a whole base: reindex it, name or drop snapshots, delete it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from app.workspace.components import access, base_fields, drawer, url
from app.workspace.components.knowledge_rights import View
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from rag import ingests, service, snapshots
from rag.index_home import drop_index
from rag.opening import identify


def bodies(seen: View) -> dict[str, Callable[[], None]]:
    """The drawers of a base by name."""
    made = {"reindex": _reindex, "name": _name, "drop": _drop, "delete": _delete}
    return {name: partial(body, seen) for name, body in made.items()}


def _reindex(seen: View) -> None:
    st.text(raw("knowledge.reindex_what"))
    base = seen.base
    kept = str(base.embedder.get("model") or base.embedder.get("path") or base.embedder["kind"])
    with drawer.form("base_reindex"):
        embedder = base_fields.embedder("reindex_embedder", kept)
        cut = base_fields.chunker("reindex_chunker", base.chunker)

        def start() -> str:
            changes: dict[str, Any] = {"chunker": cut.settings(), "cleaning": base.cleaning}
            if embedder is not None:
                identity = identify(access.database(), embedder)
                changes |= {"embedder": identity.settings, "fingerprint": identity.fingerprint}
            with access.writing() as session:
                return ingests.start_reindex(session, base.name, changes).id

        started = drawer.submit_outside("knowledge.reindex_now", start)
    if started is not None:
        drawer.done(id=base.name)


def _name(seen: View) -> None:
    with drawer.form("snapshot_name"):
        message = st.text_input(t("knowledge.message"), max_chars=200)
        named = drawer.submit(
            "knowledge.name_now",
            lambda session: snapshots.name_snapshot(
                session, service.lock(session, seen.base.id), message.strip()
            ),
        )
    if named is not None:
        drawer.done()


def _drop(seen: View) -> None:
    with access.reading() as session:
        found = snapshots.list_snapshots(session, seen.base.id)
    st.text(raw("knowledge.drop_what"))
    with drawer.form("snapshot_drop"):
        oldest = st.selectbox(
            t("knowledge.oldest"), [one.number for one in found[:-1]], key="drop_oldest"
        )
        dropped = drawer.submit(
            "knowledge.drop_now",
            lambda session: snapshots.drop_before(
                session, service.lock(session, seen.base.id), int(oldest)
            ),
        )
    if dropped is not None:
        access.database().shred()
        url.put(do=None, a=None, b=None)
        st.rerun()


def _delete(seen: View) -> None:
    name = seen.base.name
    st.text(raw("knowledge.delete_what", name=name))
    with drawer.form("base_delete"):
        typed = st.text_input(t("knowledge.type_name", name=name), key="delete_typed")
        pressed = st.form_submit_button(t("knowledge.delete_now"), type="primary")
    if not pressed:
        return
    if typed.strip() != name:
        st.error(t("knowledge.wrong_name", name=name), icon=":material/error:")
        return
    done = access.act(lambda session: (service.delete_base(session, seen.base.id), True))
    if done:
        access.database().shred()
        try:
            drop_index(access.database(), seen.base.id)
        except PromptstoneError as error:
            access.refuse(error)
        drawer.done(after=None, q=None)
    access.notice()
