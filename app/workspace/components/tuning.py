"""How tuning jobs look: their state in a word, their course in a line; and who may do what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app.workspace.components import access, numbers
from app.workspace.components.plain import plain
from app.workspace.strings import raw
from core.errors import Forbidden, Unavailable
from tuning import environment
from tuning.jobs import JobPublic
from tuning.manifest import LIVE, RESUMABLE

POLL = "2s"
COLORS = {
    "queued": "gray", "running": "blue", "completed": "green", "failed": "red",
    "interrupted": "orange", "stopped": "orange", "cancelled": "gray",
}  # fmt: skip


def may_act() -> bool:
    """Whether who looks may start and end trainings."""
    return access.role() in ("admin", "publisher", "engineer")


def may_name_folders() -> bool:
    """Whether who looks may name files of this machine."""
    return access.role() == "admin"


def check(allowed: bool) -> None:
    """Refuse what a role may not do, whatever its browser sent. Raises Forbidden."""
    if not allowed:
        raise Forbidden("Your role may not do this with trainings. Ask the administrator.")


def missing_trainer() -> str | None:
    """Why nothing can be trained here, as a sentence with the remedy."""
    code = _missing(str(access.database().settings.data))
    return None if code is None else raw(f"tuning.{code}")


@st.cache_data(ttl=10, show_spinner=False)
def _missing(data: str) -> str | None:
    try:
        environment.find(Path(data))
    except Unavailable as error:
        return error.code
    return None


def can_resume(job: JobPublic) -> bool:
    """One that lost its worker is taken up by the next one unasked."""
    return job.status in RESUMABLE and job.ended_at is not None


def is_live(job: JobPublic) -> bool:
    """Whether its figures change by themselves."""
    return job.status in LIVE or (job.status == "interrupted" and not can_resume(job))


def badge(job: JobPublic) -> tuple[str, str]:
    """Its state as a badge."""
    return state(job), COLORS[job.status]


def state(job: JobPublic) -> str:
    """Its state in a word, with its turn."""
    word = raw(f"tuning.state_{job.status}")
    return word if job.place is None else raw("tuning.turn", state=word, n=job.place)


def kind(job: JobPublic) -> str:
    """Method and adapter: sft, lora"""
    return f"{job.manifest.method.kind}, {job.manifest.adapter.kind}"


def data_ref(job: JobPublic) -> str:
    """NAME@V of the rows that it learns from."""
    return f"{job.manifest.data.dataset}@{job.manifest.data.version}"


def loss(value: float | None) -> str:
    """1.234"""
    return numbers.MISSING if value is None else f"{value:.3f}"


def row(job: JobPublic) -> Mapping[str, Any]:
    """One line of the catalogue."""
    manifest = job.manifest
    return {
        "name": job.name,
        "state": state(job),
        "method": kind(job),
        "base": manifest.base.name,
        "data": data_ref(job),
        "step": steps(job) if job.steps else numbers.MISSING,
        "eval_loss": loss(job.eval_loss),
        "author": job.author.removeprefix("user:"),
        "when": numbers.ago(job.created_at),
    }


def steps(job: JobPublic) -> str:
    """31 of 120"""
    return raw("tuning.of", step=numbers.count(job.step), steps=numbers.count(job.steps))


def course(job: JobPublic, seconds_left: float | None) -> str:
    """step 31 of 120 · 1,204 tokens/s · 2.1 GB · about 3 min left"""
    parts = [raw("tuning.step", steps=steps(job))] if job.steps else []
    if job.tokens_per_second:
        parts.append(raw("tuning.speed", n=f"{job.tokens_per_second:,.0f}"))
    if job.peak_memory_gb:
        parts.append(f"{job.peak_memory_gb:.1f} GB")
    if seconds_left is not None:
        parts.append(raw("tuning.left", span=about(seconds_left)))
    return " · ".join(parts)


def about(seconds: float) -> str:
    """40 s, 3 min, 2 h 5 min: an estimate has no more digits."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return numbers.span(round(seconds / 60) * 60_000)


def notice(text: str) -> None:
    """A sentence that stands there calmly."""
    st.caption(plain(text))


def typed(key: str) -> str:
    """What stands in a field now: a fragment is drawn again with what stood there before."""
    return str(st.session_state.get(key, "")).strip()
