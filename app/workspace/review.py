"""Review: one complaint, one key; bad answers become cases."""

import streamlit as st

from app.workspace.components import (
    access,
    editor,
    header,
    output,
    reviewing,
    reviewing_end,
    trace_inspector,
    url,
)
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from serving.review import ToReview

KEYS = {
    "1": "keys.agree",
    "2": "keys.fine",
    "W": "keys.correct",
    "Ctrl+Enter": "keys.save_correction",
    "D": "keys.add_case",
    "U": "keys.undo",
}


@st.fragment
def review_station() -> None:
    """Everything that a press changes, and nothing else."""
    with access.shown_errors():
        station()


def station() -> None:
    work = reviewing.station(url.get("app"))
    access.notice()
    reviewing_end.waiting(work)
    if work.call is None:
        reviewing_end.finished(work)
        return
    left, right = st.columns([2, 1], gap="medium")
    with left:
        shown(work.call)
    with right:
        decision(work, work.call)
        correction(work, work.call)


def shown(call: ToReview) -> None:
    with st.container(gap="xsmall", key="review_said"):
        for one in call.feedback:
            trace_inspector.feedback(one)
    if call.error:
        st.caption(t("runs.error"))
        st.text(visible(call.error))
    if not call.has_content:
        st.caption(t("traces.not_kept"))
        return
    with st.container(gap="xsmall", key="review_inputs"):
        for name, value in (call.inputs or {}).items():
            st.caption(plain(name))
            st.text(visible(str(value)))
        for turn in call.given:
            st.caption(plain(turn.get("role", "")))
            st.text(visible(str(turn.get("content", ""))))
    st.caption(t("runs.full_output"))
    output.output(call.output, key="review_output", label=raw("runs.full_output"))
    if call.tool_calls:
        st.json(call.tool_calls)
    for one in call.sources:
        st.text(visible(f"[{one['n']}] {one['document']}"))


def decision(work: reviewing.Station, call: ToReview) -> None:
    shown_at = work.drawn()
    for kind, key, icon in (
        ("bad", "1", ":material/close:"),
        ("fine", "2", ":material/check:"),
    ):
        st.button(
            t(f"review.{kind}"), key=f"review_{kind}", shortcut=key, icon=icon, width="stretch",
            on_click=work.press, args=(call.request_id, kind, shown_at),
        )  # fmt: skip
    st.button(
        t("review.to_dataset"), key="review_dataset", shortcut="D", icon=":material/dataset:",
        width="stretch", on_click=work.press, args=(call.request_id, "dataset", shown_at),
        disabled=not call.has_content,
    )  # fmt: skip
    reviewing_end.target(work)


def correction(work: reviewing.Station, call: ToReview) -> None:
    shown_at = work.drawn()
    editor.editor(
        work.text, key=reviewing.CORRECTION, label=raw("label.label_correction"),
        revision=work.turn, on_text=work.keep, height=120, keeps_focus=False,
        placeholder=raw("label.label_correction_hint"),
    )  # fmt: skip
    st.button(
        t("label.save_correction"), key="review_corrected", shortcut="Ctrl+Enter", width="stretch",
        on_click=work.press, args=(call.request_id, "corrected", shown_at),
    )  # fmt: skip
    st.button(t("label.undo"), key="review_undo", shortcut="U", on_click=work.undo, type="tertiary")
    st.caption(t("review.of", app=f"{call.app}@{call.release}"))


header.head(raw("review.title"), actions=reviewing_end.app_filter, page_keys=KEYS)
review_station()
