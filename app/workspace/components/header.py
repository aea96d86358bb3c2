"""The head of a page: one title, badges, one primary action, the rest under More, the keys."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import streamlit as st

from app.workspace.components import access, keys, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import NotFound

_DRAWN = "header_drawn"
Badge = tuple[str, str]
"""A text and one of Streamlit's colours."""


def head(
    title: str,
    *,
    badges: Sequence[Badge] = (),
    actions: Callable[[], None] | None = None,
    more: Mapping[str, Callable[[], None]] | None = None,
    page_keys: Mapping[str, str] | None = None,
) -> None:
    """Draw the head; `title` and badges are any text, `more` maps string keys to callbacks."""
    st.session_state[_DRAWN] = True
    with st.container(horizontal=True, vertical_alignment="center", key="page_head"):
        st.title(plain(title), anchor=False, width="content")
        for text, color in badges:
            st.badge(plain(text), color=color)  # type: ignore[arg-type]
        st.space("stretch")
        with nullcontext():
            if actions is not None:
                actions()
        if more:
            _more(more)
        keys.popover(page_keys or {})
    access.notice()


@contextmanager
def found(page: str, name: str | None) -> Iterator[None]:
    """Around the page of one object: what is not there leaves a title and the way to the rest."""
    st.session_state[_DRAWN] = False
    with access.shown_errors():
        try:
            yield
        except NotFound:
            if st.session_state[_DRAWN]:
                raise
            head(raw(f"navigation.{page}"))
            st.error(t("header.gone", name=name or ""), icon=":material/error:")
            url.link(page, t("header.all", page=raw(f"navigation.{page}")))


def _more(more: Mapping[str, Callable[[], None]]) -> None:
    def picked() -> None:
        code = st.session_state["header_more"]
        if code in more:
            more[code]()

    st.menu_button(
        t("header.more"), list(more), key="header_more", format_func=raw, on_click=picked
    )


def lineage(links: Sequence[Callable[[], None]]) -> None:
    """Parents and children of an object in one line of links."""
    if links:
        with st.container(horizontal=True, gap="small", key="lineage"):
            for draw in links:
                draw()


def empty(text_key: str, actions: Callable[[], None] | None = None, **params: object) -> None:
    """What stands here where nothing is yet: what it is and the next step."""
    with st.container(border=True, key="empty_state", gap="medium"):
        st.text(raw(text_key, **params))
        if actions is not None:
            with st.container(horizontal=True):
                actions()
