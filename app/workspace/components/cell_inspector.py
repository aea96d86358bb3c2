"""One cell whole: inputs, output, what differs, the exact request, ledger, scores, label."""

import json
from functools import partial

import streamlit as st

from app.workspace.components import access, cells, numbers, output, states, table, url
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from evalsets.labels import annotator_of, checked
from evalsets.queues import pick_label
from evalsets.runs import get_run
from prompts.diff import word_diff

_KEYS = {"good": "1", "bad": "2", "skip": "3"}
_ICONS = {"good": ":material/check:", "bad": ":material/close:", "skip": ":material/remove:"}


def draw(run_id: str, number: int, base: int) -> None:
    """The inspector; pressing 1, 2 or 3 labels the open cell."""
    with access.reading() as session:
        run = get_run(session, run_id)
        found = cells.cell_detail(session, run, number, base)
    if found is None:
        return
    with st.container(border=True, key="inspector", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(plain(found.arm), color="gray")
            st.caption(plain(found.case.case_id))
        for name, value in found.case.inputs.items():
            st.caption(plain(name))
            st.text(visible(value if isinstance(value, str) else json.dumps(value)))
        if found.case.expected is not None:
            st.caption(t("runs.expected"))
            st.text(visible(found.case.expected))
        if found.answer is None:
            _failed(found)
        else:
            _answer(run_id, found)
        _more(found, base)


def _failed(found: cells.CellDetail) -> None:
    word = raw("columns.failed") if found.cell.state == "failed" else raw("runs.waiting")
    st.caption(plain(f"{states.SIGNS.get(found.cell.state, '')} {word}"))
    if found.cell.error:
        st.caption(t("runs.error"))
        st.text(visible(found.cell.error))


def _answer(run_id: str, found: cells.CellDetail) -> None:
    answer = found.answer
    assert answer is not None
    st.caption(t("runs.full_output"))
    output.output(answer.output, key="cell_output", label=raw("runs.full_output"))
    if answer.tool_calls:
        st.json(answer.tool_calls)
    took = {
        "input": numbers.count(answer.input_tokens),
        "output": numbers.count(answer.output_tokens),
        "cost": numbers.money(answer.cost),
        "latency": numbers.span(answer.latency_ms),
    }
    if answer.latency_ms is not None:
        st.caption(t("prompts.took_short", **took))
    _label(run_id, found)
    for score in found.scores:
        value = raw("numbers.unscored") if score.value is None else f"{score.value:g}"
        st.text(f"{score.evaluator}: {value}  {visible(score.reason)}")


def _label(run_id: str, found: cells.CellDetail) -> None:
    with access.reading() as session:
        session.info["actor"] = access.actor()
        me = annotator_of(session)
    mine = next((one.label for one in reversed(found.labels) if one.annotator == me), None)
    st.caption(t("runs.your_label"))
    with st.container(horizontal=True, gap="xsmall"):
        for label, key in _KEYS.items():
            st.button(
                t(f"label.{label}"), key=f"cell_{label}", shortcut=url.shortcut(key),
                icon=":material/radio_button_checked:" if mine == label else _ICONS[label],
                on_click=partial(_press, run_id, found.cell.number, label),
            )  # fmt: skip


def _press(run_id: str, number: int, label: str) -> None:
    access.act(lambda session: pick_label(session, run_id, number, checked(label)))


def _more(found: cells.CellDetail, base: int) -> None:
    answer = found.answer
    if answer is not None and found.base_output is not None and found.cell.arm != base:
        with st.expander(t("runs.diff_to_base", arm=raw("runs.base"))):
            pieces = word_diff(found.base_output, answer.output)
            output.compared(pieces, key="cell_diff", label=raw("runs.full_output"))
    if answer is not None and answer.request:
        with st.expander(t("runs.exact_request")):
            st.code(_pretty(answer.request), language=None, wrap_lines=True)
    if found.attempts:
        with st.expander(t("runs.attempts")):
            rows = [
                {
                    "attempt": one.number,
                    "evaluator": one.evaluator or "",
                    "outcome": one.outcome or numbers.MISSING,
                    "status": one.status or numbers.MISSING,
                    "detail": one.detail or "",
                    "cost": numbers.money(one.cost) if one.outcome == "answered" else "",
                }
                for one in found.attempts
            ]
            columns = ("attempt", "evaluator", "outcome", "status", "detail", "cost")
            table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("runs.attempts"))


def _pretty(request: str) -> str:
    try:
        return visible(json.dumps(json.loads(request), indent=2, ensure_ascii=False))
    except ValueError:
        return visible(request)
