"""A model's text, inert: never Markdown, never HTML, while it streams and after."""

from collections.abc import Callable, Iterable
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

from prompts.diff import Piece

_HERE = Path(__file__).parent
_OUTPUT = component(
    "promptstone_output",
    html='<div class="output" dir="auto" tabindex="0" role="region"></div>',
    css=(_HERE / "output.css").read_text(encoding="utf-8"),
    js="\n".join(
        (_HERE / name).read_text(encoding="utf-8")
        for name in ("visible.js", "markdown.js", "output.js")
    ),
)


def output(
    text: str,
    *,
    key: str,
    label: str,
    stream: str | None = None,
    on_end: Callable[[], None] | None = None,
    markdown: bool = False,
) -> None:
    """Show `text`, or what the generation `stream` says from its start until `on_end`.

    `label` names the region for screen readers. `markdown` lays a subset of it out, as inert as
    the text itself.
    """
    with st.container(key=key):
        _OUTPUT(
            key=f"{key}_output",
            data={
                "text": text,
                "label": label,
                "stream": stream,
                "live": stream is not None,
                "markdown": markdown,
            },
            on_ended_change=on_end or _nothing,
        )


def compared(pieces: Iterable[Piece], *, key: str, label: str) -> None:
    """Two texts as one: what was removed is struck through, what was added is underlined."""
    shown = [[piece.change, piece.text] for piece in pieces]
    with st.container(key=key):
        _OUTPUT(
            key=f"{key}_output",
            data={"text": "", "label": label, "stream": None, "live": False, "pieces": shown},
            on_ended_change=_nothing,
        )


def marked(parts: Iterable[tuple[str, str]], *, key: str, label: str) -> None:
    """Texts one after the other, each with a mark: role, asked, learned, avoided."""
    with st.container(key=key):
        _OUTPUT(
            key=f"{key}_output",
            data={"text": "", "label": label, "stream": None, "live": False, "pieces": list(parts)},
            on_ended_change=_nothing,
        )


def _nothing() -> None:
    """An event that nobody waits for."""
