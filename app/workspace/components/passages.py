"""Passages as blocks one below the other: text as text, one of them chosen."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

_HERE = Path(__file__).parent
_PASSAGES = component(
    "promptstone_passages",
    html='<div class="passages" role="listbox" tabindex="0">\n</div>',
    css=(_HERE / "passages.css").read_text(encoding="utf-8"),
    js=(_HERE / "passages.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Block:
    """One passage; its first `repeated` characters stood in the one before, `off` is greyed."""

    id: str
    head: str
    text: str
    note: str = ""
    repeated: int = 0
    off: bool = False


def passages(
    blocks: Sequence[Block],
    *,
    key: str,
    label: str,
    selected: str | None,
    on_pick: Callable[[str], None],
    arrows: bool = False,
    focus: str | None = None,
) -> None:
    """Show the blocks; a click picks one, with `arrows` so do the arrow keys.

    `label` names the list for screen readers. The list takes the keys when `focus` changes.
    """
    inner = f"{key}_passages"

    def picked() -> None:
        found = getattr(st.session_state[inner], "picked", None)
        if isinstance(found, str):
            on_pick(found)

    with st.container(key=key):
        _PASSAGES(
            key=inner,
            data={
                "label": label,
                "blocks": [asdict(block) for block in blocks],
                "selected": selected,
                "arrows": arrows,
                "focus": focus,
            },
            on_picked_change=picked,
        )
