"""Cases by arms: fifty rows from SQL, filters, and the open cell whole at the right."""

import streamlit as st

from app.workspace.components import (
    access,
    cell_inspector,
    matrix,
    scores,
    search_box,
    states,
    table,
    url,
)
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
    left, right = st.columns([3, 2], gap="medium")
    with left:
        first = _matrix(run, shown, text, score, by)
    if first is None:
        st.caption(t("runs.no_cells"))
        return
    with right:
        asked = url.get("sel") or ""
        cell_inspector.draw(run_id, int(asked) if asked.isdecimal() else first, base)


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


def _matrix(
    run: Run, shown: str, text: str, score: scores.Picked, order: ByLoss | None
) -> int | None:
    """The page; returns its first cell, by loss the first that may have lost."""
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

    page = matrix.held(run, (shown, score.filter, text, order, after, before), read)
    matrix.news(run)
    if not page.rows:
        return None
    _grid(run, page, score.evaluator)
    table.pager("matrix", before=page.before, after=page.after, both=True)
    here = [cell.number for cell in page.rows[0].cells if cell is not None]
    lost = [cell.number for cell in page.rows[0].cells if cell and order and cell.arm != order.base]
    return (lost or here)[0]


def _grid(run: Run, page: MatrixPage, evaluator: str | None) -> None:
    rows, looks = [], []
    for row in page.rows:
        name = f"{row.case_id} · {row.repeat}" if run.repeats > 1 else row.case_id
        there = {f"arm_{place}": cell for place, cell in enumerate(row.cells) if cell is not None}
        rows.append({"case": name} | {arm: _cell(cell, evaluator) for arm, cell in there.items()})
        looks.append({arm: _look(cell) for arm, cell in there.items()})
    headers = {"case": raw("columns.case")}
    headers |= {f"arm_{place}": name for place, name in enumerate(page.arms)}

    def opened(row: int, column: str) -> None:
        place = int(column.removeprefix("arm_")) if column.startswith("arm_") else 0
        cell = page.rows[row].cells[place]
        if cell is not None:
            url.put(sel=cell.number)

    table.grid(
        "matrix", rows, headers, alt=raw("runs.matrix_alt"), on_cell=opened,
        widths={"case": 90, **{f"arm_{place}": _width(page) for place in range(len(page.arms))}},
        height=min(len(rows) + 1, 17) * table.ROW_PIXELS + 3, looks=looks,
    )  # fmt: skip


def _width(page: MatrixPage) -> int:
    """Two arms fill the list; more scroll in it."""
    return 300 if len(page.arms) < 3 else 220


def _said(cell: MatrixCell) -> str:
    """The state of a cell that has no answer, else its label."""
    if cell.state != "succeeded":
        return cell.state
    return cell.label.state.value if cell.label is not None else ""


def _look(cell: MatrixCell) -> str:
    return states.look(_said(cell), highlighted=cell.highlighted)


def _cell(cell: MatrixCell, evaluator: str | None) -> str:
    mark = states.SIGNS["highlighted"] if cell.highlighted else ""
    sign = states.SIGNS.get(_said(cell), "")
    if cell.state != "succeeded":
        text = cell.error if cell.state == "failed" else ""
        return " ".join(filter(None, [mark, sign, preview(text)]))
    score = "" if evaluator is None else f"[{scores.shown(cell.scores.get(evaluator))}]"
    return " ".join(filter(None, [mark, sign, score, preview(cell.preview)]))
