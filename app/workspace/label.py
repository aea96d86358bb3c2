"""Label: one output, one key."""

from functools import partial

import streamlit as st

from app.workspace.components import (
    access,
    attention,
    editor,
    header,
    labeling,
    output,
    states,
    url,
)
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t

MOST_KEYED = 6
KEYS = {
    "1": "keys.good",
    "2": "keys.bad",
    "3": "keys.skip",
    "4 – 9": "keys.reasons",
    "U": "keys.undo",
    "W": "keys.correct",
    "T": "keys.comment",
    "Ctrl+Enter": "keys.save_correction",
}


@st.fragment
def labeling_station(queue_id: str) -> None:
    """Everything that a press changes, and nothing else."""
    work = labeling.station(queue_id)
    access.notice()
    done, total = work.progress
    st.progress(done / total if total else 0.0, text=t("label.progress", done=done, total=total))
    if work.item is None:
        finished(work)
        return
    left, right = st.columns([2, 1], gap="medium")
    with left:
        shown(work)
    with right:
        verdict(work)
        texts(work)


def finished(work: labeling.Station) -> None:
    done, total = work.progress
    with st.container(border=True):
        st.text(raw("label.finished" if done == total else "label.all_held", n=done, total=total))
        with st.container(horizontal=True):
            st.button(t("label.undo"), shortcut="U", on_click=work.undo, disabled=done == 0)
            see_verdict(work)


def see_verdict(work: labeling.Station) -> None:
    url.link(
        "runs", t("label.see_verdict"), icon=":material/verified:", id=work.queue.run_id,
        tab="verdict",
    )  # fmt: skip


def shown(work: labeling.Station) -> None:
    item = work.item
    assert item is not None
    with st.container(gap="xsmall", key="label_inputs"):
        for name, value in item.inputs.items():
            st.caption(plain(name))
            st.text(visible(str(value)))
        if item.expected is not None:
            st.caption(t("label.expected"))
            st.text(visible(item.expected))
    st.caption(t("label.output"))
    output.output(item.output, key="label_output", label=raw("label.output"))
    if item.tool_calls:
        st.json(item.tool_calls)


def verdict(work: labeling.Station) -> None:
    item, shown_at = work.item, work.drawn()
    assert item is not None
    for label, key, icon in (
        ("good", "1", ":material/check:"),
        ("bad", "2", ":material/close:"),
        ("skip", "3", ":material/remove:"),
    ):
        st.button(
            t(f"label.{label}"), key=f"label_{label}", shortcut=key, icon=icon, width="stretch",
            on_click=work.press, args=(item.position, label, shown_at),
        )  # fmt: skip
    with st.container(horizontal=True, gap="xsmall", key="label_reasons"):
        for place, reason in enumerate(work.queue.reasons):
            staged = reason in work.staged
            st.button(
                plain(states.label_reason(reason)), key=f"label_reason_{place}",
                shortcut=str(place + 4) if place < MOST_KEYED else None,
                icon=":material/check_box:" if staged else ":material/check_box_outline_blank:",
                on_click=work.stage, args=(reason,), type="secondary" if staged else "tertiary",
            )  # fmt: skip


def texts(work: labeling.Station) -> None:
    item, shown_at = work.item, work.drawn()
    assert item is not None
    for part, height in ((labeling.CORRECTION, 70), (labeling.COMMENT, 36)):
        editor.editor(
            work.texts.get(part, ""), key=part, label=raw(f"label.{part}"), revision=work.turn,
            on_text=partial(work.keep, part), height=height, keeps_focus=False,
            placeholder=raw(f"label.{part}_hint"),
        )  # fmt: skip
        if part == labeling.CORRECTION:
            st.button(
                t("label.save_correction"), key="label_save_correction", shortcut="Ctrl+Enter",
                on_click=work.press, args=(item.position, "bad", shown_at), width="stretch",
            )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            t("label.undo"), key="label_undo", shortcut="U", on_click=work.undo, type="tertiary"
        )
        see_verdict(work)
    st.caption(t("label.guidelines"))
    st.text(visible(work.queue.guidelines or raw("label.no_guidelines")))


chosen = url.get("queue")
if chosen is None:
    header.head(raw("label.title"), page_keys=KEYS)
    with access.shown_errors():
        attention.queues()
else:
    with header.found("label", chosen):
        header.head(labeling.title(labeling.station(chosen).queue), page_keys=KEYS)
        labeling_station(chosen)
