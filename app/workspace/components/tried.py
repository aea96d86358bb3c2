"""An answer that an evaluator is tried on, with what it scores."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from app.workspace.components import numbers, states
from app.workspace.components.plain import plain, preview, visible
from app.workspace.strings import raw, t
from connectors.wire import Message
from evalsets.evaluators.subjects import Score
from evalsets.runs.trying import JudgeCall, Sample

_SHOWN = 400


class Told(NamedTuple):
    """What an evaluator says of an answer: its score, a judge's prompt, and in which order."""

    score: Score | None = None
    call: JudgeCall | None = None
    order: str | None = None


def case(one: Sample, told: Sequence[Told] = ()) -> None:
    """Case, output and expected text in short, the label of people, and what was told."""
    with st.container(border=True, gap="xsmall", key=f"tried_{one.number}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f"{plain(one.case_id)} · {plain(one.arm)}")
            if one.label is not None:
                said = f"{states.SIGNS[one.label]} {raw(f'label.{one.label}')}"
                st.badge(plain(said), color="gray")
        st.text(preview(one.subject.output, _SHOWN))
        if one.subject.expected is not None:
            st.caption(t("label.expected"))
            st.text(preview(one.subject.expected, _SHOWN))
        for each in told:
            if each.order is not None:
                st.caption(plain(each.order))
            if each.call is not None:
                _prompt(each.call.messages, each.call.input_tokens)
            if each.score is not None:
                scored(each.score)


def scored(score: Score) -> None:
    """The number, or that there is none, and why."""
    value = raw("numbers.unscored") if score.value is None else f"{score.value:.4g}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(plain(value), color="gray" if score.value is None else "blue")
        st.text(visible(score.reason))


def _prompt(messages: Sequence[Message], tokens: int) -> None:
    """The judge's prompt as it goes over the wire."""
    with st.expander(t("evaluators.judge_prompt", n=numbers.count(tokens))):
        for message in messages:
            st.caption(plain(message.get("role")))
            st.code(visible(str(message.get("content"))), language=None, wrap_lines=True)
