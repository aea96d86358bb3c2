"""The page of the matrix that is looked at: it stays as it was until one asks for what is new."""

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from app.workspace.components import access, live, numbers, url
from app.workspace.strings import t
from evalsets.models import Run
from evalsets.runs.matrix import MatrixPage
from evalsets.runs.service import get_run

_HELD = "matrix_held"
_COUNTED = "matrix_counted"
_ALIVE = ("queued", "running")


class _Held(NamedTuple):
    """A page, what it shows, and how many cells were done when it was read."""

    shows: tuple[object, ...]
    done: int
    page: MatrixPage


def held(run: Run, shows: tuple[object, ...], read: Callable[[], MatrixPage]) -> MatrixPage:
    """The page that `shows` names: kept while the run goes, and after it until one looks anew."""
    shows = (run.id, *shows)
    kept = st.session_state.get(_HELD)
    if isinstance(kept, _Held) and kept.shows == shows:
        return kept.page
    page = read()
    if run.status in _ALIVE:
        st.session_state[_HELD] = _Held(shows, _done(run), page)
    else:
        release()
    return page


def release() -> None:
    """Read the page anew at the next drawing."""
    st.session_state.pop(_HELD, None)


def count() -> None:
    """In a callback: what is counted above the matrix has changed, too."""
    release()
    st.session_state[_COUNTED] = True


def is_counted() -> bool:
    """Whether the page is to be drawn anew for it; says so once."""
    return bool(st.session_state.pop(_COUNTED, False))


def news(run: Run) -> None:
    """ "48 new results", and the button that shows them; polled while the run goes."""
    if not isinstance(st.session_state.get(_HELD), _Held):
        return
    live.quietly(_fresh, alive=run.status in _ALIVE)


def _fresh() -> None:
    kept, run_id = st.session_state.get(_HELD), url.get("id")
    if not isinstance(kept, _Held) or run_id is None:
        return
    with access.reading() as session:
        fresh = _done(get_run(session, run_id)) - kept.done
    if fresh > 0:
        with st.container(horizontal=True, vertical_alignment="center", key="matrix_news"):
            st.caption(t("runs.fresh", n=numbers.count(fresh)))
            if st.button(t("runs.show"), key="matrix_show", icon=":material/refresh:"):
                release()
                st.rerun()


def _done(run: Run) -> int:
    return run.succeeded + run.failed
