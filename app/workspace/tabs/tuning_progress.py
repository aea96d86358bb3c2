"""How far a training is: its course, its losses, why it failed, what the trainer prints."""

import re
from collections.abc import Sequence

import streamlit as st

from app.workspace.components import access, numbers, tuning, tuning_chart, tuning_points
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from app.workspace.tabs import tuning_head
from connectors.backends.logs import tail
from evalsets.runs.worker_note import worker_alive
from tuning.folders import job_folder
from tuning.forecast import seconds_left
from tuning.jobs import JobPublic

_LINES = 200
_BAR = re.compile(r"\s*\d+%\|")


def draw(job: JobPublic) -> None:
    """Everything, drawn again while it lives."""
    if tuning.is_live(job):
        line(job)
    else:
        _end(job)
    with access.reading() as session:
        found = tuning_points.losses(session, job)
    if found.loss or found.evaluation:
        tuning_chart.draw(found, job.steps, live=tuning.is_live(job))
    _log(job)


def line(job: JobPublic) -> None:
    """The bar with what is known of the course, or what it waits for."""
    if job.status == "queued":
        waits = t("tuning.next" if job.place == 1 else "tuning.waits", n=job.place)
        st.caption(plain(job.reason) if job.reason else waits)
        if not worker_alive(access.database()):
            st.caption(t("tuning.no_worker"))
        return
    with access.reading() as session:
        left = seconds_left(session, job) if job.status == "running" else None
    said = tuning.course(job, left) or raw("tuning.loading")
    st.progress(min(1.0, job.step / job.steps) if job.steps else 0.0, text=plain(said))
    asked = tuning_head.asked_to_end(job)
    if asked is not None:
        st.caption(plain(asked))
    elif job.status == "interrupted" and job.reason:
        st.caption(plain(job.reason))


def _end(job: JobPublic) -> None:
    if job.status == "failed" and job.reason:
        st.error(plain(job.reason), icon=":material/error:")
    elif job.reason:
        st.caption(plain(job.reason))
    said = tuning.course(job, None)
    if said:
        st.text(f"{said} · {numbers.span(job.seconds * 1000)}")


def _log(job: JobPublic) -> None:
    path = job_folder(access.database().settings.data, job.id) / "trainer.log"
    said = _without_bars(tail(path).splitlines())[-_LINES:]
    if said:
        st.subheader(t("tuning.log"), anchor=False)
        with st.container(height=220, autoscroll=True, key="tuning_log"):
            st.code(visible("\n".join(said)), language=None, wrap_lines=True)


def _without_bars(lines: Sequence[str]) -> list[str]:
    """Of a progress bar that was drawn again and again, its last state."""
    names = [_BAR.split(line)[0] if _BAR.search(line) else None for line in lines]
    return [
        line
        for line, name, following in zip(lines, names, [*names[1:], None], strict=False)
        if name is None or name != following
    ]
