"""Short decisions about a base: a new one, a chunk's text or cut, a document that goes."""

import streamlit as st

from app.workspace.components import (
    access,
    base_fields,
    chunk_changes,
    document_inspector,
    drawer,
    url,
)
from app.workspace.components.knowledge_rights import View, find_document
from app.workspace.components.plain import preview, visible
from app.workspace.strings import raw, t
from app.workspace.tabs import knowledge_base_drawers
from core.errors import NotFound
from rag import documents, edits, service
from rag.models import Chunk
from rag.opening import identify
from rag.settings import cleaning_settings
from rag.split_places import places


def draw(seen: View | None) -> None:
    """The drawer that the address names."""
    if seen is None:
        bodies = {"new": _new}
    elif seen.limited:
        return
    else:
        bodies = {
            "edit": lambda: _edit(_chunk(seen)),
            "split": lambda: _split(_chunk(seen)),
            "remove": lambda: _remove(seen),
            **knowledge_base_drawers.bodies(seen),
        }
    which = url.drawer()
    if which in bodies:
        with access.shown_errors():
            drawer.drawer(t(f"knowledge.drawer_{which}"), bodies[which], width=560)


def _new() -> None:
    with drawer.form("knowledge_new"):
        name = st.text_input(t("knowledge.name"), help=t("prompts.name_help"))
        embedder = base_fields.embedder("new_embedder")
        st.caption(t("knowledge.remembered"))
        cut = base_fields.chunker("new_chunker", {})

        def create() -> str:
            chunker = cut.settings()
            identity = identify(access.database(), embedder or "minilm")
            cleaning = cleaning_settings((), False)
            with access.writing() as session:
                return service.create(session, name.strip(), identity, chunker, cleaning).name

        made = drawer.submit_outside("knowledge.create", create)
    if made is not None:
        drawer.done(id=made)


def _document_id(seen: View) -> str:
    """The document that the page shows: the chosen one, else the first of the list."""
    named = url.get("doc")
    if named is not None:
        return named
    with access.reading() as session:
        first = documents.page_documents(
            session, seen.base.name, search=url.get("q"),
            after=url.get("after"), limit=1,
        )  # fmt: skip
    if not first:
        raise NotFound("There is no document here. Add one, then open it.")
    return first[0].id


def _chunk(seen: View) -> Chunk:
    found = document_inspector.chosen_chunk(document_inspector.opened(seen, _document_id(seen)))
    if found is None:
        raise NotFound("The document has no chunk. Choose another document.")
    return found


def _edit(chunk: Chunk) -> None:
    st.caption(t("knowledge.edit_help"))
    with drawer.form("chunk_edit"):
        text = st.text_area(
            t("knowledge.text"), chunk.text, height=360, max_chars=edits.MOST_CHARACTERS,
            key=f"chunk_text_{chunk.id}",
        )  # fmt: skip
        if st.form_submit_button(t("knowledge.save_chunk"), type="primary"):
            _change(chunk, text)


def _change(chunk: Chunk, text: str) -> None:
    chunk_changes.apply(chunk, edits.text_of(text))
    drawer.done()


def _split(chunk: Chunk) -> None:
    offers = places(chunk.text)
    if not offers:
        st.caption(t("knowledge.split_none"))
        return
    offset = st.selectbox(
        t("knowledge.split_before"), offers, index=len(offers) // 2, key=f"split_{chunk.id}",
        format_func=lambda at: preview(chunk.text[at : at + 80], 70),
    )  # fmt: skip
    for half in (chunk.text[:offset], chunk.text[offset:]):
        st.code(visible(half.strip()), language=None, wrap_lines=True)
    if st.button(t("knowledge.split"), type="primary", key="split_now"):
        chunk_changes.apply(chunk, edits.split_at(offset))
        drawer.done()


def _remove(seen: View) -> None:
    with access.reading() as session:
        document = find_document(session, seen, _document_id(seen))
    st.text(visible(document.name))
    st.text(raw("knowledge.remove_what"))
    with drawer.form("document_remove"):
        removed = drawer.submit_outside(
            "knowledge.remove_now",
            lambda: documents.forget(
                access.database(), access.actor(), seen.base.name, document.id
            ),
        )
    if removed is not None:
        url.put(do=None, doc=None, sel=None, at=None)
        st.rerun()
