"""Two cells of one case side by side: inputs, both answers, what differs, who said what."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from app.workspace.components import access, cell_inspector, output, states, table, url
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from evalsets.runs.cell_detail import CellDetail, cell_detail
from evalsets.verdicts.looks import LABEL
from prompts.diff import word_diff


class Place(NamedTuple):
    """A cell of a run, and what stands over it where its arm says too little."""

    run_id: str
    cell: int
    title: str = ""


def value(number: float | None, by: str) -> str:
    """A label's sign and word, or a score; None has no answer."""
    if number is None:
        return f"{states.SIGNS['failed']} {raw('columns.failed')}"
    if by != LABEL:
        return f"{number:g}"
    word = "good" if number else "bad"
    return f"{states.SIGNS[word]} {raw(f'label.{word}')}"


def listed(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    headers: Mapping[str, str],
    places: Sequence[tuple[Place, Place]],
    alt: str,
) -> None:
    """A list of pairs; the one that is marked, else the first, whole below it."""

    def picked(row: int, _: str) -> None:
        url.put(pair=places[row][1].cell)

    table.grid(name, rows, headers, alt=alt, on_cell=picked, height=_height(len(rows)))
    asked = url.get("pair")
    chosen = next((pair for pair in places if str(pair[1].cell) == asked), places[0])
    draw(*chosen)


def _height(rows: int) -> int:
    return min(rows + 1, 8) * table.ROW_PIXELS + 3


def draw(left: Place, right: Place) -> None:
    """The pair; the right answer is marked where it differs from the left one."""
    one, other = (cell_detail(access.database(), side.run_id, side.cell) for side in (left, right))
    with st.container(border=True, key="pair", gap="small"):
        st.caption(plain(other.case_id))
        cell_inspector.inputs(other)
        columns = st.columns(2, gap="medium")
        for column, side, found in zip(columns, (left, right), (one, other), strict=True):
            with column:
                _side(side, found, None if found is one else one)


def _side(side: Place, found: CellDetail, rival: CellDetail | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.badge(plain(found.arm), color="gray")
        if side.title:
            st.caption(plain(side.title))
    key, label = f"pair_{side.run_id}_{side.cell}", raw("runs.full_output")
    if found.output is None:
        st.text(value(None, LABEL))
        st.text(visible(found.error or ""))
    elif rival is None or rival.output is None:
        output.output(found.output, key=key, label=label)
    else:
        output.compared(word_diff(rival.output, found.output), key=key, label=label)
    for line in _said(found):
        st.text(line)
    url.link(
        "runs", t("verdict.inspect"), ":material/grid_on:", id=side.run_id, tab="cases",
        sel=side.cell,
    )  # fmt: skip


def _said(found: CellDetail) -> list[str]:
    """Its label with reasons and comment, then its scores."""
    lines: list[str] = []
    label = found.label
    if label is not None and label.label is not None:
        said = f"{states.SIGNS[label.label]} {raw(f'label.{label.label}')}"
        parts = [said, states.label_reasons(label.reasons), label.comment or ""]
        lines.append(visible(" · ".join(filter(None, parts))))
    for score in found.scores:
        shown = raw("numbers.unscored") if score.value is None else f"{score.value:g}"
        lines.append(
            visible(" · ".join(filter(None, [f"{score.evaluator}: {shown}", score.reason])))
        )
    return lines
