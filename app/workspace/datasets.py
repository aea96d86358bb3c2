"""Datasets: the catalogue, and one data set with its cases, versions and runs."""

from functools import partial

import streamlit as st

from app.workspace.components import case_edits, header, numbers, search_box, table, url
from app.workspace.components.access import reading
from app.workspace.strings import raw, t
from app.workspace.tabs import (
    datasets_cases,
    datasets_drawers,
    datasets_training,
    datasets_used,
    datasets_versions,
    runs_plan,
)
from evalsets.datasets import service

TABS = {
    "cases": datasets_cases.draw,
    "versions": datasets_versions.draw,
    "training": datasets_training.draw,
    "used": datasets_used.draw,
}
KEYS = {"O": "keys.open", "N": "keys.next", "P": "keys.previous"}


def catalogue() -> None:
    header.head(raw("datasets.title"), actions=new, page_keys=KEYS)
    search = search_box.draw("datasets", "q", "table.search", after=None)
    with reading() as session:
        rows = service.list_datasets(session, search=search or None, after=url.get("after"))
    if not rows and not search:
        header.empty("datasets.empty", partial(new, "empty"))
        return
    shown = [
        {
            "name": row.name,
            "version": row.newest,
            "cases": numbers.short_count(row.cases),
            "columns": row.columns,
            "author": row.author.removeprefix("user:"),
            "when": numbers.ago(row.updated_at),
        }
        for row in rows
    ]
    columns = ("name", "version", "cases", "columns", "author", "when")
    table.catalogue(
        "datasets", shown, {c: raw(f"columns.{c}") for c in columns}, alt=raw("datasets.title")
    )
    more = rows[-1].name if len(rows) == table.PAGE else None
    table.pager("datasets", before="" if url.get("after") else None, after=more)


def new(where: str = "head") -> None:
    for place, name in enumerate(("file", "grid", "table")):
        kind = "primary" if place == 0 and where == "head" else "secondary"
        st.button(
            t(f"datasets.new_{name}"), type=kind, on_click=url.open_drawer, args=(name,),
            key=f"datasets_{name}_{where}", icon=datasets_drawers.ICONS[name],
        )  # fmt: skip


def one(name: str) -> None:
    with header.found("datasets", name):
        with reading() as session:
            version = service.get(session, name, url.get("v") or "latest")

        def run() -> None:
            if st.button(t("datasets.run"), type="primary", icon=":material/play_arrow:"):
                runs_plan.go(dataset=version.name)

        header.head(
            version.name,
            badges=[
                (raw("prompts.version_n", n=version.version), "gray"),
                (raw("datasets.cases_n", n=numbers.count(version.cases)), "gray"),
                *([(raw("prompts.draft"), "orange")] if case_edits.waits(version.name) else []),
            ],
            actions=run,
            more=datasets_drawers.more(),
            page_keys=KEYS,
        )
        tab = url.choice(
            "datasets", "tab", list(TABS), lambda c: raw(f"datasets.tab_{c}"),
            raw("datasets.title"), clears=("sel", "after", "edit"),
        )  # fmt: skip
        TABS[tab](version)


chosen = url.get("id")
if chosen is None:
    catalogue()
else:
    one(chosen)
datasets_drawers.draw(chosen)
