"""Runs: the list, and one run with its Overview, Cases, Verdict and Settings tabs."""

import streamlit as st

from app.workspace.components import header, live, numbers, run_header, states, table, url
from app.workspace.components.access import reading
from app.workspace.strings import raw, t
from app.workspace.tabs import (
    runs_cases,
    runs_compare,
    runs_drawers,
    runs_improve,
    runs_overview,
    runs_plan,
    runs_settings,
    runs_verdict,
)
from evalsets.runs import service

TABS = {
    "overview": runs_overview.draw,
    "cases": runs_cases.draw,
    "verdict": runs_verdict.draw,
    "compare": runs_compare.draw,
    "improve": runs_improve.draw,
    "settings": runs_settings.draw,
}
STATES = ("all", "running", "paused", "completed", "failed")
KEYS = {
    "O": "keys.open",
    "N": "keys.next",
    "P": "keys.previous",
    "1 2 3": "keys.label_cell",
    "H": "keys.highlight",
}


def catalogue() -> None:
    header.head(raw("runs.title"), actions=new, page_keys=KEYS)
    status = url.choice(
        "runs", "status", STATES, lambda c: raw("table.all" if c == "all" else f"runs.state_{c}"),
        raw("runs.state"), clears=("after",),
    )  # fmt: skip
    with reading() as session:
        rows = service.list_runs(
            session, status=None if status == "all" else status, before=url.get("after")
        )
    if not rows and status == "all":
        header.empty("runs.empty", lambda: new("empty"))
        return
    shown = [
        {
            "name": row.title or f"{row.dataset}@{row.dataset_version}",
            "state": raw(f"runs.state_{row.status}"),
            "cells": f"{numbers.short_count(row.succeeded)} / {numbers.short_count(row.total)}",
            "failed": row.failed or numbers.MISSING,
            "cost": numbers.MISSING if row.imported else numbers.money(row.cost),
            "author": row.actor.removeprefix("user:"),
            "when": numbers.ago(row.created_at),
            "id": row.id,
        }
        for row in rows
    ]
    columns = ("name", "state", "cells", "failed", "cost", "author", "when", "id")
    table.catalogue(
        "runs", shown, {c: raw(f"columns.{c}") for c in columns}, alt=raw("runs.title"),
        opens=lambda row: url.replace(id=row["id"]),
    )  # fmt: skip
    more = rows[-1].id if len(rows) == table.PAGE else None
    table.pager("runs", before="" if url.get("after") else None, after=more)


def new(where: str = "head") -> None:
    st.button(
        t("runs.new"), type="primary" if where == "head" else "secondary", icon=":material/add:",
        on_click=runs_plan.open_plan, key=f"runs_new_{where}",
    )  # fmt: skip


def one(run_id: str) -> None:
    with header.found("runs", run_id):
        with reading() as session:
            run = service.get_run(session, run_id)
        header.head(
            run.title or f"{run.dataset}@{run.dataset_version}",
            badges=[states.run_badge(run.status)]
            + ([(raw("runs.imported"), "gray")] if run.imported else []),
            actions=lambda: run_header.actions(run_id),
            more=runs_drawers.more(run),
            page_keys=KEYS,
        )
        header.lineage(run_header.lineage(run))
        alive = run.status in ("queued", "running")
        # The badge and the actions above are those of this state: with another all is drawn anew.
        live.live(lambda: run_header.progress(run_id) == run.status, alive=alive)
        tab = url.choice(
            "runs", "tab", list(TABS), lambda c: raw(f"runs.tab_{c}"), raw("runs.title"),
            clears=(
                "sel", "after", "before", "f", "score", "bound", "at", "order", "by", "pair", "way",
                "against", "arm", "writer",
            ),
        )  # fmt: skip
        TABS[tab](run_id)


chosen = url.get("id")
if chosen is None:
    catalogue()
else:
    one(chosen)
    runs_drawers.draw(chosen)
runs_plan.draw()
