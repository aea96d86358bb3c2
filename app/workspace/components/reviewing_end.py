"""Around the reviews: which app, how many wait, what was collected, and where it goes on."""

from functools import partial

import streamlit as st

from app.workspace.components import access, header, url
from app.workspace.components.reviewing import Station, sent_line
from app.workspace.strings import raw, t
from core.names import split_ref
from evalsets.datasets.service import list_datasets
from serving.lookup import find_app
from serving.service import list_apps, settings_of

_MAKERS = ("admin", "publisher", "engineer")


def app_filter() -> None:
    """Whose calls are reviewed; all where none is chosen."""
    with access.reading() as session:
        names = [app.name for app in list_apps(session)]
    key, current = "review_app", url.get("app")
    st.session_state[key] = current if current in names else None

    def changed() -> None:
        url.put(app=st.session_state[key])

    st.selectbox(
        t("traces.app"), names, index=None, key=key, on_change=changed, width=220,
        placeholder=raw("traces.every_app"), label_visibility="collapsed",
    )  # fmt: skip


def waiting(work: Station) -> None:
    """How many calls wait, and the cases that were collected, with the button that adds them."""
    st.caption(t("review.waiting", n=work.counts.open, done=work.counts.today))
    for one in work.counts.collected:
        with st.container(horizontal=True, vertical_alignment="center", key=f"add_{one.dataset}"):
            st.caption(t("review.collected", n=one.cases, dataset=one.dataset))
            st.button(
                t("review.add", n=one.cases), key=f"review_add_{one.dataset}",
                icon=":material/add:", type="primary" if work.call is None else "secondary",
                on_click=partial(work.add, one.dataset),
            )  # fmt: skip


def target(work: Station) -> None:
    """The data set that cases are collected for."""
    with access.reading() as session:
        known = [row.name for row in list_datasets(session, limit=200)]
    options = list(dict.fromkeys([work.target, work.proposed, *known]))
    key = f"review_target_{work.app or ''}_{work.proposed}"

    def changed() -> None:
        work.dataset = (st.session_state[key] or "").strip() or None

    st.selectbox(
        t("review.target"), options, key=key, accept_new_options=True, on_change=changed,
        help=t("datasets.case_dataset_help"),
    )  # fmt: skip


def finished(work: Station) -> None:
    """Nothing waits: what was added in this tab, and the next steps with it."""
    if not work.sent and not work.counts.today:
        header.empty("review.empty")
        return
    with st.container(border=True, key="review_finished"):
        st.text(raw("review.finished", n=work.counts.today))
        for sent in work.sent:
            st.text(sent_line(sent))
        with st.container(horizontal=True):
            st.button(t("label.undo"), key="review_undo", shortcut="U", on_click=work.undo)
            _next_steps(work)


def _next_steps(work: Station) -> None:
    app = url.get("app") or work.last_app
    if not work.sent or app is None or access.role() not in _MAKERS:
        return
    with access.reading() as session:
        found = find_app(session, app)
    if found is None:
        return
    prompt, _ = split_ref(settings_of(found).prompt)
    url.link("prompts", t("review.improve"), icon=":material/edit_note:", id=prompt)
    url.link(
        "runs", t("review.run_on_them"), icon=":material/play_arrow:", do="plan",
        app=f"{app}@{found.newest}", dataset=split_ref(work.sent[-1].ref)[0],
    )  # fmt: skip
