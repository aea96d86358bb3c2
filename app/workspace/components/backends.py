"""How backends look: their state in a word, their memory in bars; and who may do what with them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.workspace.components import access, numbers, table
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from connectors.backends import gpus
from connectors.backends.gpus import Place
from connectors.backends.launch import Plan
from connectors.backends.models import BackendSettings
from connectors.backends.prepare import estimate_of
from connectors.backends.public import BackendPublic
from core.errors import Forbidden, PromptstoneError
from prompts.chat_template import check_chat_template

POLL = "2s"
COLORS = {
    "stopped": "gray", "queued": "orange", "loading": "blue", "ready": "green", "failed": "red",
}  # fmt: skip
_GIB = 1 << 30


def may_add() -> bool:
    """Whether who looks may name files of this machine, or addresses of others."""
    return access.role() == "admin"


def may_run() -> bool:
    """Whether who looks may start and stop servers."""
    return access.role() in ("admin", "publisher", "engineer")


def check(allowed: bool) -> None:
    """Refuse what a role may not do, whatever its browser sent. Raises Forbidden."""
    if not allowed:
        raise Forbidden("Your role may not change backends. Ask the administrator.")


def is_live(one: BackendPublic) -> bool:
    """Whether its figures change by themselves."""
    return one.state in ("queued", "loading", "ready") or one.wanted == "running"


def badge(one: BackendPublic) -> tuple[str, str]:
    """Its state as a badge."""
    return state(one), COLORS[one.state]


def state(one: BackendPublic) -> str:
    """Its state in a word, with its progress or its turn."""
    word = raw(f"backends.state_{one.state}")
    if one.state == "loading" and one.progress is not None:
        return f"{word} {numbers.percent(one.progress)}"
    if one.figures.position is not None:
        return raw("backends.turn", state=word, n=one.figures.position)
    return word


def row(one: BackendPublic) -> Mapping[str, Any]:
    """One line of the catalogue."""
    figures = one.figures
    return {
        "name": one.name,
        "kind": kind(one),
        "source": one.settings.base_url or one.settings.source,
        "state": state(one),
        "memory": gib(figures.memory or figures.reserved),
        "speed": speed(figures.tokens_per_second),
        "queue": f"{figures.running} + {figures.waiting}",
        "adapters": numbers.count(len(one.adapters)),
    }


def kind(one: BackendPublic) -> str:
    """What serves it."""
    return raw("backends.kind_elsewhere" if one.elsewhere else f"backends.kind_{one.settings.kind}")


def gib(value: int | None) -> str:
    """1.5 GiB"""
    return numbers.MISSING if value is None else f"{value / _GIB:.1f} GiB"


def speed(value: float | None) -> str:
    """120 tokens/s"""
    return numbers.MISSING if value is None else raw("backends.speed", n=f"{value:.0f}")


def places(found: Sequence[BackendPublic]) -> None:
    """Bars of the memory that is taken, and by which of ours."""
    for place in _places():
        ours = [one.name for one in found if one.figures.place == place.id]
        taken = 1 - place.free / place.total if place.total else 0.0
        words = raw("backends.place", name=place.name, free=gib(place.free), total=gib(place.total))
        st.progress(min(1.0, max(0.0, taken)), text=plain(words))
        if ours:
            st.caption(t("backends.here", names=", ".join(ours)))


def estimate(settings: BackendSettings) -> Plan | None:
    """The memory of a start; shows in its place why it cannot be told."""
    try:
        return _estimated(settings.model_dump_json())
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return None


def estimated(planned: Plan) -> None:
    """The parts of an estimate."""
    rows = [
        {"part": raw(f"backends.part_{name}"), "memory": gib(value)}
        for name, value in planned.named().items()
    ]
    table.still(
        rows, {"part": raw("backends.part"), "memory": raw("backends.column_memory")},
        alt=raw("backends.estimate"),
    )  # fmt: skip
    if planned.parts.unknown:
        st.caption(t("backends.unknown", parts=", ".join(planned.parts.unknown)))


@st.cache_data(ttl=5, show_spinner=False)
def _places() -> list[Place]:
    return gpus.places()


@st.cache_data(ttl=60, show_spinner=False)
def _estimated(settings: str) -> Plan:
    asked = BackendSettings.model_validate_json(settings)
    return estimate_of(asked, _places(), check=check_chat_template)
