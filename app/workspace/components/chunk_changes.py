"""Changes of chunks by hand: planned, embedded outside of the transaction, then stored."""

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from app.server import context
from app.workspace.components import access, url
from app.workspace.strings import t
from core.errors import PromptstoneError
from rag import edits
from rag.edits import Change
from rag.models import Chunk, KnowledgeBase

ICONS = {
    "edit": ":material/edit:",
    "split": ":material/content_cut:",
    "merge": ":material/merge:",
    "disable": ":material/block:",
    "restore": ":material/undo:",
}


def apply(chunk: Chunk, change: Change) -> bool:
    """Make the change as the next snapshot and choose what stands there now; errors are kept."""
    try:
        with access.reading() as session:
            planned = edits.plan(session, chunk.id, change)
            base = session.get_one(KnowledgeBase, planned.base_id)
        new = {one.text_hash: one.searched for one in planned.passages}
        embedder = context.current().searcher.embedder(base.embedder, planned.fingerprint)
        vectors = embedder.embed(list(new.values())) if new else ()
        stored = {key: one.tobytes() for key, one in zip(new, vectors, strict=True)}
        with access.writing() as session:
            number = edits.store(session, planned, stored)
    except PromptstoneError as error:
        access.refuse(error)
        return False
    with access.reading() as session:
        now = edits.chunks_of(session, chunk.document_id)
    there = [one for one in now if one.position <= chunk.position]
    url.put(sel=(there or now)[-1].id if now else None)
    access.saved("knowledge.snapshot_made", n=number)
    return True


def buttons(chunk: Chunk, *, last: bool) -> None:
    """What can be done with the chosen chunk."""
    with st.container(horizontal=True, gap="xsmall", key="chunk_actions"):
        if chunk.enabled:
            for name in ("edit", "split"):
                _button(name, partial(url.open_drawer, name))
            _button("merge", partial(apply, chunk, edits.merge), off=last)
            _button("disable", partial(apply, chunk, edits.disable))
        if chunk.edited or not chunk.enabled:
            _button("restore", partial(apply, chunk, edits.restore))


def _button(name: str, action: Callable[[], Any], *, off: bool = False) -> None:
    st.button(
        t(f"knowledge.chunk_{name}"), key=f"chunk_{name}", icon=ICONS[name], on_click=action,
        disabled=off,
    )  # fmt: skip
