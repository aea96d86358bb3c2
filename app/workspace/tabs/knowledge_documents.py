"""The documents of a base: drop zone, what is being read, a list beside the chosen one."""

import streamlit as st

from app.workspace.components import (
    access,
    document_inspector,
    ingest_lines,
    knowledge_rights,
    numbers,
    search_box,
    table,
    uploads,
    url,
)
from app.workspace.components.knowledge_rights import View
from app.workspace.strings import raw, t
from rag.documents import PAGE, DocumentRow

COLUMNS = ("document", "kind", "chunks", "when", "metadata")


def draw(seen: View) -> None:
    if not seen.limited:
        uploads.draw(seen.base)
        ingest_lines.draw(seen.base)
    search = search_box.draw("documents", "q", "table.search", after=None, doc=None, sel=None)
    after = url.get("after")
    with access.reading() as session:
        rows = knowledge_rights.page_documents(session, seen, search=search or None, after=after)
    chosen = url.get("doc") or (rows[0].id if rows else None)
    if chosen is None:
        st.caption(t("knowledge.no_match" if search else "knowledge.no_documents"))
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _list(rows, after)
    with right, access.shown_errors():
        document_inspector.draw(seen, chosen)


def _list(rows: list[DocumentRow], after: str | None) -> None:
    shown = [
        {
            "document": row.name,
            "kind": row.media,
            "chunks": numbers.short_count(row.chunks),
            "when": numbers.ago(row.added_at),
            "metadata": uploads.as_text(row.metadata),
        }
        for row in rows
    ]
    table.grid(
        "knowledge_documents", shown, {c: raw(f"columns.{c}") for c in COLUMNS},
        alt=raw("knowledge.tab_documents"),
        on_cell=lambda row, _: url.put(doc=rows[row].id, sel=None, at=None),
        widths={"document": 220, "kind": 70, "chunks": 70},
    )  # fmt: skip
    following = rows[-1].name if len(rows) == PAGE else None
    table.pager("knowledge_documents", before="" if after else None, after=following)
