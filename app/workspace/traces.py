"""Traces: what happened in a call, and what goes wrong again and again."""

import streamlit as st

from app.workspace.components import (
    access,
    drawer,
    header,
    trace_actions,
    trace_groups,
    trace_inspector,
    trace_list,
    url,
)
from app.workspace.strings import raw, t
from serving.trace_filters import TraceFilter
from serving.traces import page_traces

KEYS = {"D": "keys.add_case", "N": "keys.next", "P": "keys.previous"}


def nothing_yet() -> bool:
    with access.reading() as session:
        return not page_traces(session, TraceFilter(), limit=1).rows


def calls() -> None:
    asked = trace_groups.draw(trace_list.filters())
    left, right = st.columns([3, 2], gap="medium")
    with left, access.shown_errors():
        first = trace_list.draw(asked)
    with right, access.shown_errors():
        chosen = url.get("sel") or first
        if chosen is not None:
            trace_inspector.draw(chosen)


def to_apps() -> None:
    url.link("apps", t("navigation.apps"), icon=":material/rocket_launch:")


header.head(raw("traces.title"), page_keys=KEYS)
with access.shown_errors():
    if nothing_yet() and url.get("sel") is None:
        header.empty("traces.empty", to_apps)
    else:
        calls()
if url.drawer() == "case":
    drawer.drawer(t("runs.drawer_case"), trace_actions.drawer_body)
