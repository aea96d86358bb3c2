"""Prompts: the catalogue, and one prompt with its Edit, History, Diff and Used tabs."""

import streamlit as st

from app.workspace.components import header, numbers, saving, search_box, table, url
from app.workspace.components.access import reading
from app.workspace.components.working import working
from app.workspace.strings import raw, t
from app.workspace.tabs import (
    prompts_diff,
    prompts_drawers,
    prompts_edit,
    prompts_history,
    prompts_used,
)
from evalsets.verdicts.prompt_shares import PromptShare, shares_of_prompts
from prompts import service

TABS = {
    "edit": prompts_edit.draw,
    "history": prompts_history.draw,
    "diff": prompts_diff.draw,
    "used": prompts_used.draw,
}
KEYS = {
    "Ctrl+Enter": "keys.run",
    "Ctrl+Shift+Enter": "keys.save",
    "Ctrl+Space": "keys.complete",
    "Tab": "keys.tab",
    "O": "keys.open",
}


def catalogue() -> None:
    header.head(raw("prompts.title"), actions=_new, page_keys=KEYS)
    search, folder, tag = _filters()
    with reading() as session:
        rows = service.list_prompts(
            session, search=search, folder=folder, tag=tag, after=url.get("after")
        )
        shares = shares_of_prompts(session, [row.name for row in rows])
    if not rows and not (search or folder or tag):
        header.empty("prompts.empty", _new_here)
        return
    shown = [
        {
            "name": row.name,
            "version": row.newest,
            "aliases": [f"{alias} → {version}" for alias, version in row.aliases.items()],
            "last_share": _share(shares.get(row.name)),
            "tags": row.tags,
            "description": row.description or row.title or "",
            "author": row.author.removeprefix("user:"),
            "when": numbers.ago(row.updated_at),
        }
        for row in rows
    ]
    columns = ("name", "version", "aliases", "last_share", "tags", "description", "author", "when")
    table.catalogue(
        "prompts", shown, {c: raw(f"columns.{c}") for c in columns}, alt=raw("prompts.title")
    )
    more = rows[-1].name if len(rows) == table.PAGE else None
    table.pager("prompts", before="" if url.get("after") else None, after=more)


def _share(found: PromptShare | None) -> str:
    """The last verdict on a prompt, and of which version."""
    if found is None:
        return raw("prompts.no_labels")
    share = numbers.share(found.share, found.ci95, found.n)
    return raw("prompts.share_of", share=share, version=found.version)


def _filters() -> tuple[str | None, str | None, str | None]:
    with reading() as session:
        facets = service.facets(session)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = search_box.draw("prompts", "q", "table.search", after=None)
        folder = table.facet("prompts", "folder", facets.folders, raw("prompts.folder"))
        tag = table.facet("prompts", "tag", facets.tags, raw("prompts.tag"))
    return search or None, folder, tag


def _new() -> None:
    st.button(
        t("prompts.new"), type="primary", icon=":material/add:", on_click=url.open_drawer,
        args=("new",),
    )  # fmt: skip


def _new_here() -> None:
    st.button(t("prompts.import"), on_click=url.open_drawer, args=("import",), key="import_here")


def one(name: str) -> None:
    with header.found("prompts", name):
        with reading() as session:
            version = service.get(session, name, url.get("v") or "latest")
        tab = url.get("tab") or "edit"
        copy = working(version)
        badges = [(raw("prompts.version_n", n=version.version), "gray")]
        badges += [(alias, "blue") for alias in version.aliases]
        if copy.is_draft:
            badges.append((raw("prompts.draft"), "orange"))

        def save() -> None:
            if tab == "edit":
                saving.row(version)

        header.head(
            version.name,
            badges=badges,
            actions=save,
            more=prompts_drawers.more(version),
            page_keys=KEYS,
        )
        saving.conflict(version)
        saving.apart(version)
        tab = url.choice(
            "prompts", "tab", list(TABS), lambda c: raw(f"prompts.tab_{c}"), raw("prompts.title"),
            clears=("a", "b"),
        )  # fmt: skip
        TABS[tab](version)


chosen = url.get("id")
if chosen is None:
    catalogue()
else:
    one(chosen)
prompts_drawers.draw(chosen)
