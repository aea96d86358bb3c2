"""Tuning: the trainings, and one from its losses to its proof and lineage."""

from functools import partial
from typing import NamedTuple

import streamlit as st

from app.workspace.components import (
    access,
    header,
    live,
    search_box,
    table,
    tuning,
    tuning_serving,
    url,
)
from app.workspace.strings import raw, t
from app.workspace.tabs import (
    tuning_data,
    tuning_drawers,
    tuning_head,
    tuning_lineage,
    tuning_progress,
    tuning_proof,
    tuning_samples,
)
from tuning import jobs
from tuning.jobs import JobPublic
from tuning.manifest import LIVE
from tuning.serving import serving_of

TABS = {
    "progress": tuning_progress.draw,
    "data": tuning_data.draw,
    "samples": tuning_samples.draw,
    "proof": tuning_proof.draw,
    "lineage": tuning_lineage.draw,
}
STATES = {
    "all": None, "running": ("queued", "running"), "completed": ("completed",),
    "stopped": ("stopped", "interrupted", "cancelled"), "failed": ("failed",),
}  # fmt: skip
COLUMNS = ("name", "state", "method", "base", "data", "step", "eval_loss", "author", "when")
KEYS = {"O": "keys.open", "N": "keys.next", "P": "keys.previous"}


def catalogue() -> None:
    header.head(raw("tuning.title"), actions=tuning_drawers.new, page_keys=KEYS)
    tuning_drawers.trainer()
    found = _every()
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


def _every() -> list[JobPublic]:
    with access.reading() as session:
        return jobs.list_jobs(session, access.database().settings.data)


def listed() -> None:
    text, after = (url.get("q") or "").lower(), url.get("after")
    states = STATES.get(url.get("status") or "all")
    found = [
        one for one in _every() if text in one.name.lower() and (not states or one.status in states)
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


class Mark(NamedTuple):
    """What the head of a page says of a job, and whether it changes by itself."""

    status: str
    served: str | None
    proof: str | None
    model: str | None
    moves: bool


def mark(job: JobPublic) -> Mark:
    asked, run = serving_of(job), tuning_serving.proof_state(job)
    moves = tuning.is_live(job) or tuning_serving.is_on_its_way(job) or run in LIVE
    return Mark(job.status, None if asked is None else asked.state, run, job.model, moves)


def one(name: str) -> None:
    with header.found("tuning", name):
        job = read(name)
        header.head(
            job.name, badges=[tuning.badge(job)], actions=partial(tuning_head.act, job),
            more=tuning_drawers.more(job),
        )  # fmt: skip
        header.lineage(tuning_head.parents(job))
        tuning_head.certificate(job)
        seen = mark(job)
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
            return mark(now) == seen

        live.live(drawn, alive=seen.moves, every=tuning.POLL)


chosen = url.get("id")
if chosen is None:
    catalogue()
else:
    one(chosen)
tuning_drawers.draw(chosen)
