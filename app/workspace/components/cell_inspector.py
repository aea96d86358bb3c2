"""One cell whole: inputs, output, what differs, the exact request, ledger, scores, label."""

import json
from functools import partial

import streamlit as st

from app.workspace.components import (
    access,
    cell_actions,
    cells,
    matrix,
    numbers,
    output,
    sources,
    states,
    table,
    url,
)
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from evalsets.labels.queues import pick_label
from evalsets.labels.service import checked
from evalsets.runs.cell_detail import CellDetail, cell_detail
from evalsets.runs.service import get_run
from prompts.diff import word_diff

_KEYS = {"good": "1", "bad": "2", "skip": "3"}
_ICONS = {"good": ":material/check:", "bad": ":material/close:", "skip": ":material/remove:"}


def draw(run_id: str, number: int, base: int) -> None:
    """The inspector; pressing 1, 2 or 3 labels the open cell."""
    found = cell_detail(access.database(), run_id, number)
    with access.reading() as session:
        mine = cells.own_label(session, run_id, number, access.user_name())
        rival = cells.output_of_arm(session, get_run(session, run_id), number, base)
    with st.container(border=True, key="inspector", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(plain(found.arm), color="gray")
            st.caption(plain(found.case_id))
        cell_actions.draw(found)
        inputs(found)
        if found.output is None:
            _failed(found)
        else:
            _answer(found, found.output)
            sources.draw(found.kb, found.sources or [], found.output)
            _label(run_id, number, mine)
            _scores(found)
            if rival is not None:
                with st.expander(t("runs.diff_to_base")):
                    pieces = word_diff(rival, found.output)
                    output.compared(pieces, key="cell_diff", label=raw("runs.full_output"))
        _evidence(found)


def inputs(found: CellDetail) -> None:
    """What the case gives, and what is expected of it."""
    for name, value in found.inputs.items():
        with st.container(gap=None):
            st.caption(plain(name))
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            st.text(visible(text))
    if found.expected is not None:
        with st.container(gap=None):
            st.caption(t("runs.expected"))
            st.text(visible(found.expected))


def _failed(found: CellDetail) -> None:
    word = raw("columns.failed") if found.state == "failed" else raw("runs.waiting")
    st.text(f"{states.SIGNS.get(found.state, '')} {word}")
    if found.error:
        st.caption(t("runs.error"))
        st.text(visible(found.error))


def _answer(found: CellDetail, text: str) -> None:
    with st.container(gap="xsmall"):
        st.caption(t("runs.full_output"))
        output.output(text, key="cell_output", label=raw("runs.full_output"))
        if found.tool_calls:
            st.json(found.tool_calls)
        if found.latency_ms is not None:
            took = t(
                "prompts.took_short",
                input=numbers.count(found.input_tokens),
                output=numbers.count(found.output_tokens),
                cost=numbers.money(found.cost),
                latency=numbers.span(found.latency_ms),
            )
            st.caption(f"{took} · {t('runs.cached')}" if found.cached else took)


def _label(run_id: str, number: int, mine: str | None) -> None:
    st.caption(t("runs.your_label"))
    with st.container(horizontal=True, gap="xsmall"):
        for label, key in _KEYS.items():
            st.button(
                t(f"label.{label}"), key=f"cell_{label}", shortcut=url.shortcut(key),
                icon=":material/radio_button_checked:" if mine == label else _ICONS[label],
                on_click=partial(_press, run_id, number, label),
            )  # fmt: skip


def _press(run_id: str, number: int, label: str) -> None:
    matrix.count()
    access.act(lambda session: pick_label(session, run_id, number, checked(label)))


def _scores(found: CellDetail) -> None:
    for score in found.scores:
        value = raw("numbers.unscored") if score.value is None else f"{score.value:g}"
        said = f"{score.evaluator}: {value}"
        st.text(f"{said} · {visible(score.reason)}" if score.reason else said)
        if score.judge_output is not None:
            with st.expander(t("runs.judge_said", name=score.evaluator)):
                output.output(
                    score.judge_output, key=f"judge_output_{score.evaluator}",
                    label=raw("runs.judge_said", name=score.evaluator),
                )  # fmt: skip


def _evidence(found: CellDetail) -> None:
    if found.request is not None:
        with st.expander(t("runs.exact_request")):
            body = json.dumps(found.request, indent=2, ensure_ascii=False)
            st.code(visible(body), language=None, wrap_lines=True)
    if found.attempts:
        with st.expander(t("runs.attempts")):
            rows = [
                {
                    "attempt": one.number,
                    "evaluator": one.evaluator or "",
                    "outcome": one.outcome or numbers.MISSING,
                    "status": one.status or numbers.MISSING,
                    "detail": one.detail or "",
                }
                for one in found.attempts
            ]
            columns = ("attempt", "evaluator", "outcome", "status", "detail")
            table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("runs.attempts"))
