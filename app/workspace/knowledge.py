"""Knowledge: the bases, and one base with its documents, searches and figures."""

from functools import partial

import streamlit as st

from app.workspace.components import (
    header,
    knowledge_rights,
    numbers,
    search_box,
    table,
    url,
)
from app.workspace.components.access import reading
from app.workspace.components.knowledge_rights import View
from app.workspace.strings import raw, t
from app.workspace.tabs import (
    knowledge_documents,
    knowledge_drawers,
    knowledge_quality,
    knowledge_search,
    knowledge_settings,
    knowledge_snapshots,
)
from rag import service
from rag.snapshots import get_snapshot

TABS = {
    "documents": knowledge_documents.draw,
    "search": knowledge_search.draw,
    "quality": knowledge_quality.draw,
    "settings": knowledge_settings.draw,
    "snapshots": knowledge_snapshots.draw,
}
OPEN_TO_ALL = ("documents", "search")
KEYS = {"O": "keys.open", "N": "keys.next", "P": "keys.previous"}
SEARCH_KEYS = {"1": "keys.relevant", "2": "keys.irrelevant", "↑ ↓": "keys.walk"}
COLUMNS = ("name", "documents", "chunks", "snapshot", "embedder", "chunker", "state", "when")


def catalogue() -> None:
    header.head(raw("knowledge.title"), actions=new, page_keys=KEYS)
    search = search_box.draw("knowledge", "q", "table.search", after=None)
    with reading() as session:
        found = service.list_bases(session, search=search or None)
    if not found and not search:
        header.empty("knowledge.empty", partial(new, "empty"))
        return
    after = url.get("after")
    rows = [row for row in found if after is None or row.name > after]
    shown = [
        {
            "name": row.name,
            "documents": numbers.short_count(row.documents),
            "chunks": numbers.short_count(row.chunks),
            "snapshot": row.snapshot,
            "embedder": row.embedder,
            "chunker": raw(f"knowledge.chunker_{row.chunker}"),
            "state": raw("knowledge.filling") if row.ingesting else "",
            "when": numbers.ago(row.updated_at),
        }
        for row in rows[: table.PAGE]
    ]
    table.catalogue(
        "knowledge", shown, {c: raw(f"columns.{c}") for c in COLUMNS}, alt=raw("knowledge.title")
    )
    more = rows[table.PAGE - 1].name if len(rows) > table.PAGE else None
    table.pager("knowledge", before="" if after else None, after=more)


def new(where: str = "head") -> None:
    st.button(
        t("knowledge.new"), type="primary" if where == "head" else "secondary",
        on_click=url.open_drawer, args=("new",), key=f"knowledge_new_{where}",
        icon=":material/add:",
    )  # fmt: skip


def one(name: str) -> None:
    with header.found("knowledge", name):
        with reading() as session:
            seen = knowledge_rights.view(session, service.get(session, name))
            state = get_snapshot(session, seen.base)
        tabs = [tab for tab in TABS if not seen.limited or tab in OPEN_TO_ALL]
        searching = url.get("tab") == "search"
        header.head(
            name,
            badges=badges(seen, state.documents, state.chunks),
            page_keys={**KEYS, **(SEARCH_KEYS if searching else {})},
        )
        tab = url.choice(
            "knowledge", "tab", tabs, lambda c: raw(f"knowledge.tab_{c}"),
            raw("knowledge.title"), clears=("q", "sel", "after", "before", "doc", "at", "snap"),
        )  # fmt: skip
        TABS[tab](seen)
        knowledge_drawers.draw(seen)


def badges(seen: View, documents: int, chunks: int) -> list[header.Badge]:
    counts = [] if seen.limited else [
        (raw("knowledge.documents_n", n=numbers.count(documents)), "gray"),
        (raw("knowledge.chunks_n", n=numbers.count(chunks)), "gray"),
    ]  # fmt: skip
    kept = [(raw("knowledge.restricted"), "orange")] if seen.base.restricted else []
    return [(raw("knowledge.snapshot_n", n=seen.base.snapshot), "gray"), *counts, *kept]


chosen = url.get("id")
if chosen is None:
    catalogue()
    knowledge_drawers.draw(None)
else:
    one(chosen)
