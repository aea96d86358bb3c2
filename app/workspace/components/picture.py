"""A picture of arms in the page: the SVG of `app.telling.pictures` in the colours of the theme."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

from app.telling.points import MOST_ARMS

_HERE = Path(__file__).parent
_GRAY = "#808891"
_PICTURE = component(
    "promptstone_picture",
    html='<div class="picture"></div>',
    css=(_HERE / "picture.css").read_text(encoding="utf-8"),
    js=(_HERE / "picture.js").read_text(encoding="utf-8"),
)


def palette(arms: Sequence[str]) -> Mapping[str, str]:
    """Colour by arm, of the theme at hand; arms beyond six are grey."""
    colors = _colors()
    return {arm: colors[place] if place < len(colors) else _GRAY for place, arm in enumerate(arms)}


def draw(svg: str) -> None:
    """Show it; what is no shape and no text of a picture is left out by the page."""
    _PICTURE(data={"svg": svg, "colors": [*_colors(), _GRAY]}, height="content")


def _colors() -> Sequence[str]:
    mode = st.context.theme.type or "light"
    return (st.get_option(f"theme.{mode}.chartCategoricalColors") or [])[:MOST_ARMS]
