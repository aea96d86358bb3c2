"""Two texts in two columns, changed words marked, long equal parts folded away."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

from app.workspace.strings import raw
from prompts.side_by_side import Line, Row

_HERE = Path(__file__).parent
_TABLE = component(
    "promptstone_side_by_side",
    html='<div class="sides" dir="ltr">\n</div>',
    css=(_HERE / "side_by_side.css").read_text(encoding="utf-8"),
    js="\n".join(
        (_HERE / name).read_text(encoding="utf-8") for name in ("visible.js", "side_by_side.js")
    ),
)


def draw(rows: Sequence[Row], *, key: str, label: str) -> None:
    """The rows as a table; `label` names it for screen readers."""
    with st.container(key=key):
        _TABLE(
            key=f"{key}_table",
            data={
                "rows": [_told(row) for row in rows],
                "label": label,
                "words": {
                    name: raw(f"prompts.{name}") for name in ("diff_a", "diff_b", "diff_equal")
                },
            },
        )


def _told(row: Row) -> object:
    """An equal line as its text, another one as its two sides."""
    if row.same:
        return "".join(piece.text for piece in row.before or ())
    return [_side(row.before), _side(row.after)]


def _side(line: Line | None) -> list[tuple[str, str]] | None:
    return None if line is None else [(piece.change, piece.text) for piece in line]
