"""The list of calls: filters in the address, fifty rows that stay until one asks for newer ones."""

from datetime import timedelta
from typing import NamedTuple

import streamlit as st

from app.workspace.components import access, live, numbers, search_box, states, table, url
from app.workspace.components.plain import preview
from app.workspace.strings import raw, t
from core.clock import utcnow
from serving.models import Trace
from serving.service import list_apps
from serving.trace_filters import TraceFilter
from serving.traces import MOST_SEARCHED, TracePage, count_newer, page_traces

RATINGS = ("all", "good", "bad", "none")
STATES = ("all", "ok", "failed", "blocked", "aborted")
SPANS = {"all": None, "1h": 1, "1d": 24, "7d": 7 * 24, "30d": 30 * 24}
_HELD = "traces_held"
_BEGIN = {"after": None, "before": None, "sel": None}
_PINNED = ("release", "key", "user", "reason")
_WIDTHS = {"when": 90, "app": 110, "status": 70, "took": 70, "rating": 74, "preview": 330}


class _Held(NamedTuple):
    """A page and what it shows; it does not move under the hand."""

    shows: tuple[object, ...]
    page: TracePage


def filters() -> TraceFilter:
    """Draw the filters; what they choose."""
    if "traces_rating" not in st.session_state:  # one comes from another page
        release()
    cleared = (*_BEGIN, "group")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _app()
        rating = url.choice(
            "traces", "rating", RATINGS, lambda c: raw(f"traces.rating_{c}"),
            raw("columns.rating"), clears=cleared,
        )  # fmt: skip
        state = url.choice(
            "traces", "f", STATES, lambda c: raw(f"traces.state_{c}"), raw("columns.state"),
            clears=cleared,
        )  # fmt: skip
        since = url.choice(
            "traces", "since", tuple(SPANS), lambda c: raw(f"traces.since_{c}"),
            raw("traces.since"), clears=cleared,
        )  # fmt: skip
        text = search_box.draw("traces", "q", "table.search", live=True, group=None, **_BEGIN)
        _pinned()
    hours, number = SPANS[since], url.get("release") or ""
    return TraceFilter(
        app=url.get("app"),
        release=int(number) if number.isdecimal() and len(number) < 10 else None,
        rating=None if rating == "all" else rating,
        state=None if state == "all" else state,
        since=None if hours is None else utcnow() - timedelta(hours=hours),
        key=url.get("key"),
        user=url.get("user"),
        reason=url.get("reason"),
        text=text or None,
    )


def _app() -> None:
    with access.reading() as session:
        names = [app.name for app in list_apps(session)]
    key, current = "traces_app", url.get("app")
    if current is not None and current not in names:
        names.insert(0, current)
    st.session_state[key] = current

    def changed() -> None:
        url.put(app=st.session_state[key], group=None, release=None, **_BEGIN)

    st.selectbox(
        t("traces.app"), names, index=None, key=key, on_change=changed, width=180,
        placeholder=raw("traces.every_app"), label_visibility="collapsed",
    )  # fmt: skip


def _pinned() -> None:
    """Filters that only a link sets, each with the way to take it off."""
    for name in _PINNED:
        value = url.get(name)
        if value is not None:
            st.button(
                t(f"traces.pinned_{name}", value=preview(value, 40)), key=f"traces_off_{name}",
                icon=":material/close:", type="tertiary", on_click=url.put,
                kwargs={name: None, **_BEGIN},
            )  # fmt: skip


def draw(asked: TraceFilter) -> str | None:
    """The page; the id of its first call."""
    after, before = url.get("after"), url.get("before")
    # The moment from which on is another one each time; what it was chosen by is not.
    shows = (asked.__class__(**{**asked.__dict__, "since": None}), url.get("since"), after, before)
    page = _held(shows, asked, after, before)
    _news(page)
    if page.cut:
        st.caption(t("traces.cut", n=numbers.count(MOST_SEARCHED)))
    if page.rows:
        _grid(page.rows)
    else:
        st.caption(t("traces.none"))
    table.pager("traces", before=page.before, after=page.after, both=True)
    return page.rows[0].id if page.rows else None


def _held(
    shows: tuple[object, ...], asked: TraceFilter, after: str | None, before: str | None
) -> TracePage:
    kept = st.session_state.get(_HELD)
    if isinstance(kept, _Held) and kept.shows == shows:
        return kept.page
    with access.reading() as session:
        page = page_traces(session, asked, after=after, before=before)
    st.session_state[_HELD] = _Held(shows, page)
    return page


def release() -> None:
    """Read the page anew at the next drawing."""
    st.session_state.pop(_HELD, None)


def _news(page: TracePage) -> None:
    """ "12 new", and the button that shows them; counted every five seconds on the first page."""
    if page.before is None and url.get("group") is None:
        live.quietly(_fresh, alive=True, every="5s")


def _fresh() -> None:
    kept = st.session_state.get(_HELD)
    if not isinstance(kept, _Held):
        return
    asked = kept.shows[0]
    assert isinstance(asked, TraceFilter)
    top = kept.page.rows[0].id if kept.page.rows else None
    if asked.text:
        return
    with access.reading() as session:
        fresh = count_newer(session, asked, top)
    if fresh:
        with st.container(horizontal=True, vertical_alignment="center", key="traces_news"):
            st.caption(t("traces.fresh", n=numbers.count(fresh)))
            if st.button(t("runs.show"), key="traces_show", icon=":material/refresh:"):
                release()
                st.rerun()


def _grid(rows: list[Trace]) -> None:
    columns = ("when", "app", "status", "took", "rating", "preview")
    shown = [
        {
            "when": numbers.ago(row.at),
            "app": f"{row.app}@{row.release}",
            "status": status(row),
            "took": numbers.span(row.latency_ms),
            "rating": raw(f"traces.rating_{row.rating}") if row.rating else "",
            "preview": preview(row.preview),
        }
        for row in rows
    ]

    def opened(place: int, _column: str) -> None:
        url.put(sel=rows[place].id)

    chosen = "_".join(url.get(name) or "" for name in ("app", "rating", "since", "group"))
    table.grid(
        f"traces_{chosen}_{rows[0].id}", shown, {c: raw(f"columns.{c}") for c in columns},
        alt=raw("traces.alt"), on_cell=opened, widths=_WIDTHS,
    )  # fmt: skip


def status(row: Trace) -> str:
    """How a call ended: never by a colour alone."""
    sign = "" if row.state in ("succeeded", "pinned") else states.SIGNS["failed"]
    return f"{sign} {row.status}".strip()
