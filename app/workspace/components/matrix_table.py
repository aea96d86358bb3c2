"""The matrix as a table: one press or arrow opens a cell at once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st
from streamlit.components.v2 import component

_HERE = Path(__file__).parent
_TABLE = component(
    "promptstone_matrix",
    html='<div class="matrix">\n</div>',
    css=(_HERE / "matrix_table.css").read_text(encoding="utf-8"),
    js="\n".join(
        (_HERE / name).read_text(encoding="utf-8") for name in ("visible.js", "matrix_table.js")
    ),
)


class TableCell(NamedTuple):
    """A cell's line and its looks (names of `matrix_table.css`); `id` opens it."""

    id: int
    text: str
    looks: tuple[str, ...] = ()


class TableRow(NamedTuple):
    """A case, and its cell of each arm; None where there is none."""

    case: str
    cells: Sequence[TableCell | None]


def draw(
    rows: Sequence[TableRow],
    arms: Sequence[str],
    *,
    key: str,
    label: str,
    case: str,
    selected: int | None,
    on_open: Callable[[int], None],
) -> None:
    """Show the rows; a press or the arrows open a cell, and `on_open` gets its id in a callback.

    `label` names the table for screen readers, `case` heads its first column.
    """
    inner, told = f"{key}_table", f"{key}_told"

    def opened() -> None:
        found = getattr(st.session_state[inner], "opened", None)
        if isinstance(found, int):
            st.session_state[told] = found
            on_open(found)

    with st.container(key=key):
        _TABLE(
            key=inner,
            data={
                "label": label,
                "case": case,
                "arms": list(arms),
                "rows": [[row.case, [None if c is None else list(c) for c in row.cells]]
                         for row in rows],
                # The browser marks what it opened itself; without it, nothing is sent again.
                "selected": None if selected == st.session_state.get(told) else selected,
            },
            on_opened_change=opened,
        )  # fmt: skip
