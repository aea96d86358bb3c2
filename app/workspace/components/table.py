"""Tables: a catalogue whose names open objects, and a list beside an inspector."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.workspace.components import url
from app.workspace.components.plain import plain, preview
from app.workspace.strings import t

PAGE = 50
ROW_PIXELS = 35
_CURSOR = ("after", "before", "f", "base", "score", "bound", "at", "order", "q")


def catalogue(
    page: str,
    rows: Sequence[Mapping[str, Any]],
    headers: Mapping[str, str],
    *,
    alt: str,
    opens: Callable[[Mapping[str, Any]], None] | None = None,
) -> None:
    """One full-width table; the first column holds names that open, `O` opens the marked row.

    `headers` maps columns to headings. `opens` gets the row, by default `?id=` its first column.
    """
    first = next(iter(headers))
    key = f"{page}_catalogue_{url.get('after', '')}_{len(rows)}"

    def open_row(index: int) -> None:
        if 0 <= index < len(rows):
            row = rows[index]
            opens(row) if opens else url.replace(id=row[first])

    def clicked() -> None:
        open_row(st.session_state[f"{key}_click"]["row"])

    def marked() -> None:
        cells = st.session_state[key]["selection"]["cells"]
        if cells:
            open_row(cells[0][0])

    config: dict[str, Any] = {name: st.column_config.TextColumn(h) for name, h in headers.items()}
    config[first] = st.column_config.ButtonColumn(
        headers[first],
        type="tertiary",
        alignment="left",
        on_click=clicked,
        key=f"{key}_click",
        pinned=True,
    )
    st.dataframe(
        _frame(rows, headers),
        key=key,
        hide_index=True,
        column_config=config,
        on_select="rerun",
        selection_mode="single-cell",
        height=min(len(rows) + 1, PAGE + 1) * ROW_PIXELS + 3,
        row_height=ROW_PIXELS,
        alt=alt,
    )
    st.button(
        t("table.open"), key=f"{page}_open", shortcut=url.shortcut("O"), on_click=marked,
        type="tertiary", icon=":material/open_in_full:",
    )  # fmt: skip


def grid(
    page: str,
    rows: Sequence[Mapping[str, Any]],
    headers: Mapping[str, str],
    *,
    alt: str,
    on_cell: Callable[[int, str], None],
    widths: Mapping[str, str | int] | None = None,
    height: int | None = None,
) -> None:
    """A list whose cells are walked by arrows; `on_cell` gets row and column in a callback.

    Its key holds the cursor, or an old selection would point at a new row.
    """
    cursor = "_".join(url.get(name) or "" for name in _CURSOR)
    key = f"{page}_grid_{cursor}"

    def picked() -> None:
        cells = st.session_state[key]["selection"]["cells"]
        if cells:
            on_cell(cells[0][0], str(cells[0][1]))

    sizes: Mapping[str, Any] = widths or {}
    st.dataframe(
        _frame(rows, headers),
        key=key,
        hide_index=True,
        column_config={
            name: st.column_config.TextColumn(heading, width=sizes.get(name))
            for name, heading in headers.items()
        },
        on_select=picked,
        selection_mode="single-cell",
        height=height or min(len(rows) + 1, 17) * ROW_PIXELS + 3,
        row_height=ROW_PIXELS,
        alt=alt,
    )


def still(
    rows: Sequence[Mapping[str, Any]],
    headers: Mapping[str, str],
    *,
    alt: str,
    widths: Mapping[str, int] | None = None,
    in_sight: int = PAGE,
) -> None:
    """A table to be read only; beyond `in_sight` rows it scrolls."""
    sizes = widths or {}
    st.dataframe(
        _frame(rows, headers),
        hide_index=True,
        column_config={
            name: st.column_config.TextColumn(heading, width=sizes.get(name))
            for name, heading in headers.items()
        },
        height=min(len(rows) + 1, in_sight + 1) * ROW_PIXELS + 3,
        row_height=ROW_PIXELS,
        alt=alt,
    )


def pager(
    page: str, *, before: int | str | None, after: int | str | None, both: bool = False
) -> None:
    """Previous and next 50, by `P` and `N`; a cursor of None is the end.

    Catalogues go back to their first page (`before` ""); `both` says that `before` is a cursor.
    """
    if before is None and after is None:
        return
    earlier = {"before": before, "after": None} if both else {"after": before or None}
    with st.container(horizontal=True):
        st.button(
            t("table.previous" if both else "table.first"), key=f"{page}_previous",
            shortcut=url.shortcut("P"), disabled=before is None, on_click=_turn, kwargs=earlier,
            type="tertiary",
        )  # fmt: skip
        st.button(
            t("table.next"), key=f"{page}_next", shortcut=url.shortcut("N"),
            disabled=after is None, on_click=_turn, kwargs={"after": after, "before": None},
            type="tertiary",
        )  # fmt: skip


def _turn(**cursor: int | str | None) -> None:
    url.put(**cursor, sel=None)


def _frame(rows: Sequence[Mapping[str, Any]], headers: Mapping[str, str]) -> pd.DataFrame:
    data = {name: [_cell(row.get(name)) for row in rows] for name in headers}
    return pd.DataFrame(data, columns=list(headers), dtype="object")


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return preview("" if value is None else str(value))


def facet(page: str, name: str, counts: Mapping[str, int], title: str) -> str | None:
    """A filter by one of few values with their counts, kept in the address; None is all."""
    if not counts:
        return None
    key = f"{page}_{name}"
    current = url.get(name)
    st.session_state[key] = current if current in counts else None

    def changed() -> None:
        url.put(**{name: st.session_state[key], "after": None})

    return st.selectbox(
        plain(title), list(counts), index=None, key=key, on_change=changed, placeholder=title,
        format_func=lambda value: f"{value} ({counts[value]})", label_visibility="collapsed",
        width=200,
    )  # fmt: skip
