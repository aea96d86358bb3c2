"""Cases by arms: fifty rows from SQL, filters, and the open cell whole at the right."""

import streamlit as st

from app.workspace.components import access, cell_inspector, cells, states, table, url
from app.workspace.components.plain import preview
from app.workspace.strings import raw, t
from evalsets.models import Run
from evalsets.run_cells import arm_names
from evalsets.runs import get_run

FILTERS = ("all", "failed", "different", "unlabeled", "highlighted")
ORDERS = ("case", "loss")


def draw(run_id: str) -> None:
    with access.reading() as session:
        run = get_run(session, run_id)
    arms = arm_names(run)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = url.choice(
            "matrix", "f", FILTERS, lambda c: raw(f"runs.filter_{c}"), raw("runs.tab_cases"),
            clears=("after", "sel"),
        )  # fmt: skip
        order = url.choice(
            "matrix", "order", ORDERS, lambda c: raw(f"runs.order_{c}"), raw("runs.order"),
            clears=("after",),
        )  # fmt: skip
        base = _base(arms)
    after = int(url.get("after") or 0)
    with access.reading() as session:
        wanted = cells.Wanted(chosen, order == "loss", base)
        page = cells.matrix_page(session, run, wanted, after)
    if not page.rows:
        st.caption(t("runs.no_cells"))
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _matrix(run, arms, page)
        following = None if page.after is None else str(page.after)
        earlier = str(max(after - cells.ROWS // max(run.repeats, 1), 0)) if after else None
        table.pager("matrix", before="" if earlier == "0" else earlier, after=following)
    with right:
        cell_inspector.draw(run_id, _selected(page), base)


def _base(arms: tuple[str, ...]) -> int:
    key = "matrix_base"
    current = url.get("base")
    st.session_state[key] = current if current in arms else arms[0]

    def changed() -> None:
        url.put(base=st.session_state[key])

    picked = st.selectbox(t("runs.base"), arms, key=key, on_change=changed, width=240)
    return arms.index(picked)


def _selected(page: cells.MatrixPage) -> int:
    asked = url.get("sel")
    if asked is not None and asked.isdecimal():
        return int(asked)
    return next(cell.number for cell in page.rows[0].cells if cell is not None)


def _matrix(run: Run, arms: tuple[str, ...], page: cells.MatrixPage) -> None:
    rows = []
    for row in page.rows:
        name = f"{row.case_id} · {row.repeat}" if run.repeats > 1 else row.case_id
        shown = {"case": name}
        for place, cell in enumerate(row.cells):
            shown[f"arm_{place}"] = "" if cell is None else _cell(cell)
        rows.append(shown)
    headers = {"case": raw("columns.case")}
    headers |= {f"arm_{place}": name for place, name in enumerate(arms)}

    def opened(row: int, column: str) -> None:
        place = int(column.removeprefix("arm_")) if column.startswith("arm_") else 0
        cell = page.rows[row].cells[place]
        if cell is not None:
            url.put(sel=cell.number)

    st.caption(t("runs.filtered", n=page.total))
    table.grid(
        "matrix", rows, headers, alt=raw("runs.matrix_alt"), on_cell=opened,
        widths={"case": "small"}, height=560,
    )  # fmt: skip


def _cell(cell: cells.MatrixCell) -> str:
    sign = states.SIGNS.get(cell.mark, "")
    return f"{sign} {preview(cell.preview)}".strip()
