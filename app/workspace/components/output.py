"""A model's text, inert: never Markdown, never HTML, while it streams and after."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_OUTPUT = st.components.v2.component(
    "promptstone_output",
    html='<pre class="output" dir="auto" tabindex="0" role="region">\n</pre>',
    css=(_HERE / "output.css").read_text(encoding="utf-8"),
    js=(_HERE / "output.js").read_text(encoding="utf-8"),
)


def output(
    text: str,
    *,
    key: str,
    label: str,
    stream: str | None = None,
    on_end: Callable[[], None] | None = None,
) -> None:
    """Show `text`, or what the generation `stream` says from its start until `on_end`.

    `label` names the region for screen readers.
    """
    with st.container(key=key):
        _OUTPUT(
            key=f"{key}_output",
            data={"text": text, "label": label, "stream": stream, "live": stream is not None},
            on_ended_change=on_end or _nothing,
        )


def _nothing() -> None:
    """An event that nobody waits for."""
