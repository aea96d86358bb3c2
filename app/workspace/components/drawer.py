"""A short decision in a drawer at the right, opened and closed by `?do=`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import streamlit as st
from sqlmodel import Session

from app.workspace.components import access, url
from app.workspace.components.plain import plain
from app.workspace.strings import t
from core.errors import PromptstoneError

T = TypeVar("T")


def drawer(title: str, body: Callable[[], None], *, width: int = 460) -> None:
    """Show `body`; dismissing it closes the drawer in the address too."""

    @st.dialog(title, position="right", width=width, on_dismiss=url.close_drawer)
    def shown() -> None:
        body()

    shown()


@contextmanager
def form(key: str) -> Iterator[None]:
    """A form without a frame; Enter in a field submits it."""
    with st.form(key, border=False):
        yield


def submit(label_key: str, action: Callable[[Session], T], **params: object) -> T | None:
    """The form's verb. Its refusal is shown here; None until it is pressed and done."""
    if not st.form_submit_button(t(label_key, **params), type="primary"):
        return None
    try:
        with access.writing() as session:
            return action(session)
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return None


def done(**params: str | int | None) -> None:
    """Close the drawer, at `params` where they are given, and draw the page anew."""
    if params:
        url.replace(**params)
    else:
        url.close_drawer()
    st.rerun()


def submit_outside(label_key: str, action: Callable[[], T], **params: object) -> T | None:
    """`submit` for what opens its own sessions."""
    if not st.form_submit_button(t(label_key, **params), type="primary"):
        return None
    try:
        return action()
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return None
