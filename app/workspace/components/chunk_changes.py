"""Changes of chunks by hand: planned, embedded outside of the transaction, then stored."""

from collections.abc import Callable, Sequence
from functools import partial

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


def buttons(chunks: Sequence[Chunk], chosen: Chunk) -> None:
    """What can be done with the chosen chunk."""

    does = partial(partial, _apply_to, chunks, chosen)
    with st.container(horizontal=True, gap="xsmall", key="chunk_actions"):
        if chosen.enabled:
            for name in ("edit", "split"):
                _button(name, partial(url.open_drawer, name))
            _button("merge", does(edits.merge), off=chosen.id == chunks[-1].id)
            _button("disable", does(edits.disable))
        if chosen.edited or not chosen.enabled:
            _button("restore", does(edits.restore))


def _apply_to(chunks: Sequence[Chunk], drawn: Chunk, change: Change) -> None:
    """Change the chunk that is chosen now, which may be newer than what was drawn."""
    apply(next((one for one in chunks if one.id == url.get("sel")), drawn), change)


def _button(name: str, action: Callable[[], None], *, off: bool = False) -> None:
    st.button(
        t(f"knowledge.chunk_{name}"), key=f"chunk_{name}", icon=ICONS[name], on_click=action,
        disabled=off,
    )  # fmt: skip
