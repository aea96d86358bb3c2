"""Groups of similar failures above the list of calls, each a filter of the list."""

import time
from typing import NamedTuple

import streamlit as st

from app.workspace.components import access, numbers, url
from app.workspace.components.plain import plain, preview
from app.workspace.strings import raw, t
from serving.grouping import Group, group
from serving.similar import failures
from serving.trace_filters import TraceFilter

SHOWN = 6
_HELD = "traces_groups"
_SECONDS = 60.0


class _Held(NamedTuple):
    """Groups of an app and a span of time: finding them takes a second."""

    shows: tuple[str | None, str | None]
    at: float
    groups: list[Group]


def draw(asked: TraceFilter) -> TraceFilter:
    """The groups, where there are any; the filter with the calls of the group that is open."""
    found = _groups(asked)
    chosen = url.get("group")
    opened = next((one for one in found if one.ids[0] == chosen), None)
    if found:
        with st.expander(
            t("traces.groups", n=len(found)), expanded=opened is not None, key="trace_groups"
        ):
            for one in found[:SHOWN]:
                _group(one, one is opened)
    if opened is None:
        return asked
    return TraceFilter(ids=opened.ids)


def _groups(asked: TraceFilter) -> list[Group]:
    shows = (asked.app, url.get("since"))
    kept = st.session_state.get(_HELD)
    now = time.monotonic()
    if isinstance(kept, _Held) and kept.shows == shows and now - kept.at < _SECONDS:
        return kept.groups
    with access.reading() as session:
        some = failures(session, asked.app, asked.since)
    found = group(some)
    st.session_state[_HELD] = _Held(shows, now, found)
    return found


def _group(one: Group, is_open: bool) -> None:
    label = preview(raw("traces.group_joined").join(one.label), 120)
    picked = None if is_open else one.ids[0]
    st.button(
        f"{plain(numbers.count(one.size))} × {plain(label)}", key=f"group_{one.ids[0]}",
        icon=":material/check:" if is_open else ":material/error:" if one.by == "error" else None,
        type="tertiary", on_click=url.put,
        kwargs={"group": picked, "after": None, "before": None, "sel": None},
    )  # fmt: skip
