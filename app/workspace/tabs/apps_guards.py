"""What is checked before and after the model, what is answered without it, and what if it fails."""

from functools import partial

import streamlit as st

from app.workspace.components import access, app_fields, publishing, table, url
from app.workspace.components import release_facts as facts
from app.workspace.components.plain import plain, preview
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from serving.guards import Guard
from serving.service import save_settings
from serving.settings import AppSettings, Pinned

GUARDS = ("length", "pii", "blocked_words", "injection", "schema")


def draw(seen: View) -> None:
    may = publishing.may_publish()
    if seen.is_changed:
        st.caption(t("apps.draft_changed"))
    with st.container(key="app_guards", width=860, gap="small"):
        _guards(seen, may)
        if may:
            _otherwise(seen)
        elif seen.next is not None:
            facts.draw(seen.next)
    _pinned(seen, may)


def _guards(seen: View, may: bool) -> None:
    st.subheader(t("apps.guards"), anchor=False)
    st.caption(t("apps.guards_help"))
    for place, one in enumerate(seen.settings.guards):
        _guard(seen, place, one, may)
    if may:
        with st.container(horizontal=True):
            for kind in GUARDS:
                st.button(
                    t(f"apps.guard_{kind}"), key=f"guard_add_{kind}", icon=":material/add:",
                    type="tertiary", on_click=url.put,
                    kwargs={"do": "guard", "kind": kind, "at": None},
                )  # fmt: skip


def _guard(seen: View, place: int, one: Guard, may: bool) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.text(facts.guard(one), width="stretch")
        if not may:
            return
        said = f"{place + 1}"
        if place:
            _small("guard_up", place, t("apps.earlier_n", n=said), ":material/arrow_upward:",
                   partial(_moved, seen, place))  # fmt: skip
        _small("guard_change", place, t("apps.change_n", n=said), ":material/edit:",
               partial(url.put, do="guard", kind=one.kind, at=place))  # fmt: skip
        _small("guard_remove", place, t("apps.remove_n", n=said), ":material/close:",
               partial(_removed, seen, place))  # fmt: skip


def _small(name: str, place: int, label: str, icon: str, action: partial[None]) -> None:
    st.button(plain(label), key=f"{name}_{place}", icon=icon, type="tertiary", on_click=action)


def _moved(seen: View, place: int) -> None:
    guards = list(seen.settings.guards)
    guards[place - 1], guards[place] = guards[place], guards[place - 1]
    _save(seen, guards=tuple(guards))


def _removed(seen: View, place: int) -> None:
    guards = seen.settings.guards
    _save(seen, guards=guards[:place] + guards[place + 1 :])


def _save(seen: View, **fields: object) -> bool:
    settings: AppSettings = seen.settings.model_copy(update=fields)
    saved = publishing.act(lambda session: (save_settings(session, seen.name, settings), True))
    return saved is not None


def _otherwise(seen: View) -> None:
    st.subheader(t("apps.otherwise"), anchor=False)
    parts, now = app_fields.parts(), seen.settings
    with st.form("app_otherwise", border=False):
        fallbacks = st.multiselect(
            t("apps.fallbacks"), list(dict.fromkeys([*now.fallbacks, *parts.models])),
            list(now.fallbacks), max_selections=5, help=t("apps.fallbacks_help"),
            key="app_fallbacks", placeholder=raw("runs.choose"),
        )  # fmt: skip
        repair = st.checkbox(
            t("apps.repair_long"), now.repair, key="app_repair", help=t("apps.repair_help")
        )
        histories, history = ("client", "server"), now.history
        if now.kind != "completion":
            history = st.selectbox(
                t("apps.history"), histories, histories.index(now.history), key="app_history",
                format_func=lambda one: raw(f"apps.history_{one}"), help=t("apps.history_help"),
            )  # fmt: skip
        pressed = st.form_submit_button(t("apps.save_draft"))
    if pressed:
        if _save(seen, fallbacks=tuple(fallbacks), repair=repair, history=history):
            st.rerun()
        access.notice()


def _pinned(seen: View, may: bool) -> None:
    st.subheader(t("apps.pinned"), anchor=False)
    st.caption(t("apps.pinned_help"))
    if may:
        st.button(
            t("apps.pin"), key="pinned_add", icon=":material/add:", on_click=url.put,
            kwargs={"do": "pinned", "at": None},
        )  # fmt: skip
    found = seen.settings.pinned
    if not found:
        return
    start = int(url.get("after") or 0) if (url.get("after") or "0").isdecimal() else 0
    rows = [_row(place, one) for place, one in enumerate(found)][start : start + table.PAGE]
    table.catalogue(
        "pinned", rows, {c: raw(f"columns.{c}") for c in ("question", "answer", "match")},
        alt=raw("apps.pinned"), opens=lambda row: url.put(do="pinned", at=row["at"]),
    )  # fmt: skip
    more = start + table.PAGE if start + table.PAGE < len(found) else None
    table.pager("pinned", before="" if start else None, after=more)


def _row(place: int, one: Pinned) -> dict[str, object]:
    match = raw(f"apps.match_{one.match}")
    return {
        "question": preview(one.question) or "–",
        "answer": preview(one.answer),
        "match": match if one.match == "exact" else f"{match} ≥ {one.threshold:g}",
        "at": place,
    }
