"""Drawing again while something lives, and not a second longer."""

from collections.abc import Callable

import streamlit as st


def live(draw: Callable[[], bool], *, alive: bool, every: str = "1s") -> None:
    """Draw now and, while `alive`, again `every` second.

    `draw` says whether it still lives; the last poll runs the whole page, which no longer polls.
    It must read ids from the address, because a poll replays the arguments of the last full run.
    """

    @st.fragment(run_every=every if alive else None)
    def polled() -> None:
        if not draw() and alive:
            st.rerun()

    polled()


def quietly(draw: Callable[[], None], *, alive: bool, every: str = "1s") -> None:
    """Draw now and, while `alive`, again `every` second, and never the whole page."""
    st.fragment(draw, run_every=every if alive else None)()
