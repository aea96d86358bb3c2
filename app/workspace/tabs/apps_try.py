"""Asking an app as its clients do: a chat with sources, or variables in and an answer out."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import streamlit as st

from app.server import context
from app.workspace.components import (
    access,
    app_trial,
    fields,
    live,
    numbers,
    output,
    publishing,
    snippets,
    sources,
    url,
)
from app.workspace.components.app_trial import Trial, Turn
from app.workspace.components.plain import plain
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from connectors.models import Generation
from core.clock import utcnow
from core.errors import NotFound
from prompts.content import Variable
from serving.manifest import ReleaseManifest
from serving.traces import TracePublic, get_trace

_WRITTEN = timedelta(seconds=5)
"""A trace is written a moment after its call; without one by then, none is kept."""


def draw(seen: View) -> None:
    if not seen.app.newest:
        st.caption(t("apps.no_release"))
        return
    ref = app_trial.asked_ref(seen)
    release = publishing.manifest(seen.name, ref)
    trial = app_trial.load(seen.name)
    variables = snippets.variables(release)
    left, right = st.columns([1, 2], gap="large")
    with left:
        fields.values(trial, variables)
        if trial.turns and release.kind != "completion":
            st.button(t("apps.new_chat"), key="try_new", on_click=trial.forget, type="tertiary")
    with right:
        _conversation(seen, release, trial)
        _input(trial, release, f"{seen.name}@{ref}", variables)


def _conversation(seen: View, release: ReleaseManifest, trial: Trial) -> None:
    shown = trial.turns if release.kind != "completion" else trial.turns[-1:]
    for place, turn in enumerate(shown):
        if turn.text:
            with st.chat_message("user"):
                st.text(turn.text)
        with st.chat_message("assistant"):
            _answer(seen, turn, place)


def _answer(seen: View, turn: Turn, place: int) -> None:
    found = app_trial.generation(turn)
    if found is None:
        st.caption(t("apps.answer_gone"))
        return
    running = found.state == "sent"
    text = context.current().generations.text(found.id) or "" if running else found.output
    output.output(
        text, key=f"try_answer_{place}", label=raw("prompts.answer"),
        stream=found.id if running else None,
    )  # fmt: skip
    if found.error:
        st.error(plain(found.error), icon=":material/error:")
    if found.state in ("stopped", "interrupted"):
        st.caption(t(f"prompts.state_{found.state}"))
    if not running:
        fresh = found.ended_at is not None and utcnow() - found.ended_at < _WRITTEN
        draw_trace = partial(_trace, seen, turn, found)
        live.live(draw_trace, alive=fresh and _traced(turn) is None)


def _traced(turn: Turn) -> TracePublic | None:
    try:
        with access.reading() as session:
            return get_trace(session, turn.request)
    except NotFound:
        return None


def _trace(seen: View, turn: Turn, found: Generation) -> bool:
    """What the call took and read; whether its trace is still to come."""
    trace = _traced(turn)
    if trace is None:
        return True
    kb = seen.settings.knowledge.kb if seen.settings.knowledge else None
    if trace.content is not None:
        sources.draw(kb, trace.content.sources, found.output)
    row = trace.row
    parts = [
        f"{seen.name}@{row.release}",
        row.model or raw(f"apps.state_{row.state}"),
        f"{numbers.count(row.input_tokens)} / {numbers.count(row.output_tokens)}",
        numbers.span(row.latency_ms),
        numbers.money(row.cost),
    ]
    st.caption(plain(" · ".join(parts)))
    return False


def _input(trial: Trial, release: ReleaseManifest, ref: str, variables: Sequence[Variable]) -> None:
    last = app_trial.generation(trial.turns[-1]) if trial.turns else None
    running = last is not None and last.state == "sent"
    may = publishing.may_publish()
    if running:
        st.button(
            t("prompts.stop"), key="try_stop", icon=":material/stop:", shortcut="Esc",
            on_click=app_trial.stop, args=(trial.turns[-1],),
        )  # fmt: skip
    elif release.kind == "completion":
        st.button(
            t("prompts.run"), key="try_run", icon=":material/play_arrow:",
            shortcut=url.shortcut("Ctrl+Enter"), on_click=app_trial.ask, disabled=not may,
            args=(trial, ref, "", variables),
        )  # fmt: skip
    if release.kind != "completion":
        asked = st.chat_input(
            raw("apps.ask"), key="try_ask", disabled=running or not may, submit_mode="disable"
        )
        if asked:
            app_trial.ask(trial, ref, asked, variables)
            st.rerun()
