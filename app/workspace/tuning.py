"""Tuning: the trainings, and one with its Progress, Data and Samples."""

from functools import partial

import streamlit as st

from app.workspace.components import access, header, live, search_box, table, tuning, url
from app.workspace.strings import raw, t
from app.workspace.tabs import (
    tuning_data,
    tuning_drawers,
    tuning_head,
    tuning_progress,
    tuning_samples,
)
from tuning import jobs
from tuning.jobs import JobPublic

TABS = {
    "progress": tuning_progress.draw,
    "data": tuning_data.draw,
    "samples": tuning_samples.draw,
}
STATES = {
    "all": None, "running": ("running",), "queued": ("queued",), "completed": ("completed",),
    "stopped": ("stopped", "interrupted", "cancelled"), "failed": ("failed",),
}  # fmt: skip
COLUMNS = ("name", "state", "method", "base", "data", "step", "eval_loss", "author", "when")
KEYS = {"O": "keys.open", "N": "keys.next", "P": "keys.previous"}


def catalogue() -> None:
    header.head(raw("tuning.title"), actions=tuning_drawers.new, page_keys=KEYS)
    tuning_drawers.trainer()
    with access.reading() as session:
        found = jobs.list_jobs(session, access.database().settings.data)
    if not found:
        tuning_head.nothing_yet()
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search_box.draw("tuning", "q", "table.search", after=None)
        url.choice(
            "tuning", "status", list(STATES),
            lambda c: raw("table.all" if c == "all" else f"tuning.state_{c}"), raw("columns.state"),
            clears=("after",),
        )  # fmt: skip
    live.quietly(listed, alive=any(map(tuning.is_live, found)), every=tuning.POLL)


def listed() -> None:
    text, after = (url.get("q") or "").lower(), url.get("after")
    states = STATES.get(url.get("status") or "all")
    with access.reading() as session:
        every = jobs.list_jobs(session, access.database().settings.data)
    found = [
        one for one in every if text in one.name.lower() and (not states or one.status in states)
    ]
    left = [one for one in found if after is None or one.id < after]
    if not left:
        st.caption(t("tuning.none_such"))
        return
    headings = {column: raw(f"tuning.column_{column}") for column in COLUMNS}
    shown = [tuning.row(one) for one in left[: table.PAGE]]
    table.catalogue("tuning", shown, headings, alt=raw("tuning.title"))
    more = left[table.PAGE - 1].id if len(left) > table.PAGE else None
    table.pager("tuning", before="" if after else None, after=more)


def read(name: str) -> JobPublic:
    with access.reading() as session:
        return jobs.get(session, access.database().settings.data, name)


def one(name: str) -> None:
    with access.shown_errors():
        job = read(name)
        header.head(
            job.name, badges=[tuning.badge(job)], actions=partial(tuning_head.act, job),
            more=tuning_drawers.more(job),
        )  # fmt: skip
        header.lineage(tuning_head.parents(job))
        tab = url.choice(
            "tuning", "tab", list(TABS), lambda c: raw(f"tuning.tab_{c}"), raw("tuning.title"),
            clears=("sel", "after"),
        )  # fmt: skip

        def drawn() -> bool:
            """Whether the job is still as the head says; else the whole page is drawn anew."""
            now = read(url.get("id") or "")
            if tab != "progress" and tuning.is_live(now):
                tuning_progress.line(now)
            TABS[tab](now)
            return now.status == job.status

        live.live(drawn, alive=tuning.is_live(job), every=tuning.POLL)


chosen = url.get("id")
if chosen is None:
    catalogue()
else:
    one(chosen)
tuning_drawers.draw(chosen)
