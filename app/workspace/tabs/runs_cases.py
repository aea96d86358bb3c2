"""Cases by arms: fifty rows from SQL, filters, and the open cell whole at the right."""

import streamlit as st

from app.workspace.components import (
    access,
    cell_inspector,
    matrix,
    matrix_table,
    scores,
    search_box,
    states,
    table,
    url,
)
from app.workspace.components.matrix_table import TableCell, TableRow
from app.workspace.components.plain import preview
from app.workspace.strings import raw, t
from evalsets.models import Run
from evalsets.runs.cells import arm_names
from evalsets.runs.matrix import MatrixCell, MatrixPage, matrix_page
from evalsets.runs.matrix_order import ByLoss
from evalsets.runs.service import get_run

FILTERS = ("all", "failed", "different", "unlabeled", "highlighted")
ORDERS = ("case", "loss")


def draw(run_id: str) -> None:
    """The tab is one fragment, so that a click on a cell redraws nothing else of the page."""
    _tab(run_id, url.drawer())


@st.fragment
def _tab(run_id: str, drawer: str | None) -> None:
    url.left()
    if url.drawer() != drawer or matrix.is_counted():
        st.rerun()
    access.notice()
    with access.shown_errors():
        _cases(run_id)


def _cases(run_id: str) -> None:
    with access.reading() as session:
        run = get_run(session, run_id)
        names = scores.evaluators(session, run)
    arms = arm_names(run)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = url.choice(
            "matrix", "f", FILTERS, lambda c: raw(f"runs.filter_{c}"), raw("runs.tab_cases"),
            clears=("after", "before", "sel"),
        )  # fmt: skip
        text = search_box.draw("matrix", "q", "table.search", after=None, before=None, sel=None)
        score = scores.draw(names)
        base = _base(arms)
        order = _order(score.evaluator) if len(arms) > 1 else "case"
    by = ByLoss(base, score.evaluator) if order == "loss" else None
    page = _page(run, shown, text, score, by)
    left, right = st.columns([3, 2], gap="medium")
    asked, here = url.get("sel") or "", 0
    # What a click asks for is sent before what stays.
    if page.rows:
        here = int(asked) if asked.isdecimal() else _first(page, by)
        with right:
            cell_inspector.draw(run_id, here, base)
    with left:
        matrix.news(run)
        if page.rows:
            _grid(run, page, score.evaluator, here)
            table.pager("matrix", before=page.before, after=page.after, both=True)
        else:
            st.caption(t("runs.no_cells"))


def _base(arms: tuple[str, ...]) -> int:
    key = "matrix_base"
    current = url.get("base")
    st.session_state[key] = current if current in arms else arms[0]

    def changed() -> None:
        moved = {"after": None, "before": None, "sel": None} if url.get("order") else {}
        url.put(base=st.session_state[key], **moved)

    picked = st.selectbox(
        t("runs.base"), arms, key=key, on_change=changed, width=220,
        format_func=lambda arm: raw("runs.base_is", arm=arm), label_visibility="collapsed",
    )  # fmt: skip
    return arms.index(picked)


def _order(evaluator: str | None) -> str:
    key, by = "matrix_order", evaluator or raw("runs.by_labels")
    current = url.get("order")
    st.session_state[key] = current if current in ORDERS else ORDERS[0]

    def changed() -> None:
        picked = st.session_state[key]
        url.put(order=None if picked == ORDERS[0] else picked, after=None, before=None, sel=None)

    return st.selectbox(
        t("runs.order"), ORDERS, key=key, on_change=changed, width=220,
        format_func=lambda code: raw(f"runs.order_{code}", by=by), label_visibility="collapsed",
    )  # fmt: skip


def _page(
    run: Run, shown: str, text: str, score: scores.Picked, order: ByLoss | None
) -> MatrixPage:
    """The rows that the address asks for."""
    after, before = url.get("after"), url.get("before")

    def read() -> MatrixPage:
        with access.reading() as session:
            return matrix_page(
                session,
                run.id,
                show=shown,  # type: ignore[arg-type]
                score=score.filter,
                text=text,
                order=order,
                after=int(after) if after else None,
                before=int(before) if before else None,
            )

    return matrix.held(run, (shown, score.filter, text, order, after, before), read)


def _first(page: MatrixPage, order: ByLoss | None) -> int:
    """The first cell of a page, by loss the first that may have lost."""
    here = [cell.number for cell in page.rows[0].cells if cell is not None]
    lost = [cell.number for cell in page.rows[0].cells if cell and order and cell.arm != order.base]
    return (lost or here)[0]


def _grid(run: Run, page: MatrixPage, evaluator: str | None, here: int) -> None:
    rows = [
        TableRow(
            f"{row.case_id} · {row.repeat}" if run.repeats > 1 else row.case_id,
            [None if one is None else _drawn(one, evaluator) for one in row.cells],
        )
        for row in page.rows
    ]
    matrix_table.draw(
        rows, page.arms, key="matrix_cells", label=raw("runs.matrix_alt"),
        case=raw("columns.case"), selected=here,
        on_open=lambda number: url.put(sel=number),
    )  # fmt: skip


def _drawn(cell: MatrixCell, evaluator: str | None) -> TableCell:
    return TableCell(
        cell.number,
        _cell(cell, evaluator),
        states.looks(_said(cell), highlighted=cell.highlighted),
    )


def _said(cell: MatrixCell) -> str:
    """The state of a cell that has no answer, else its label."""
    if cell.state != "succeeded":
        return cell.state
    return cell.label.state.value if cell.label is not None else ""


def _cell(cell: MatrixCell, evaluator: str | None) -> str:
    mark = states.SIGNS["highlighted"] if cell.highlighted else ""
    sign = states.SIGNS.get(_said(cell), "")
    if cell.state != "succeeded":
        text = cell.error if cell.state == "failed" else ""
        return " ".join(filter(None, [mark, sign, preview(text)]))
    score = "" if evaluator is None else f"[{scores.shown(cell.scores.get(evaluator))}]"
    return " ".join(filter(None, [mark, sign, score, preview(cell.preview)]))
