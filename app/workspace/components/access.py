"""Who looks at the page, and their way to the database."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import streamlit as st
from sqlmodel import Session

from app.server import context
from app.workspace.components.plain import plain
from app.workspace.strings import t, use_language
from core.database import Database
from core.errors import PromptstoneError
from core.models import User
from core.workspace_settings import get_setting

_NAME = "access_user"
_ROLE = "access_role"
_SIMPLE = "access_simple_editor"
_NOTICE = "access_notice"
T = TypeVar("T")


def cookies() -> Mapping[str, str]:
    """The cookies of this browser."""
    return st.context.cookies


def sign_in() -> User | None:
    """Find who looks, afresh at every full run, and take up their language."""
    user = context.current().signed_in(cookies())
    if user is not None:
        st.session_state[_NAME] = user.name
        st.session_state[_ROLE] = user.role
        with reading() as session:
            st.session_state[_SIMPLE] = bool(get_setting(session, "simple_editor", False))
        locale = st.context.locale or "en"
        use_language(user.language or ("zh" if locale.lower().startswith("zh") else "en"))
    return user


def user_name() -> str:
    """The name of who looks."""
    return str(st.session_state[_NAME])


def role() -> str:
    """The role of who looks."""
    return str(st.session_state[_ROLE])


def actor() -> str:
    """Who looks, as `actor` in the rows they write."""
    return f"user:{user_name()}"


def database() -> Database:
    """For what reads and then works without a session, as rendering does."""
    return context.current().database


@contextmanager
def reading() -> Iterator[Session]:
    """A session that only reads."""
    with context.current().database.read_scope() as session:
        yield session


@contextmanager
def writing() -> Iterator[Session]:
    """A session that commits at its end, in the name of who looks."""
    with context.current().database.session_scope(actor()) as session:
        yield session


def act(action: Callable[[Session], T]) -> T | None:
    """Run `action` in one writing session; what it refuses is shown and None comes back.

    A service never returns None where this is asked for a result, so None means refused.
    """
    try:
        with writing() as session:
            return action(session)
    except PromptstoneError as error:
        refuse(error)
        return None


def refuse(error: PromptstoneError) -> None:
    """Keep an error for the next drawing of the page."""
    st.session_state[_NOTICE] = error.message


def notice() -> None:
    """Draw what was refused, once."""
    message = st.session_state.pop(_NOTICE, None)
    if message is not None:
        st.error(plain(message), icon=":material/error:")


@contextmanager
def shown_errors() -> Iterator[None]:
    """Draw a foreseen error in place of what the block would have drawn."""
    try:
        yield
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")


def simple_editor() -> bool:
    """Whether texts are edited in plain fields, as some screen readers need; known since the
    last full run, because every press of a label asks."""
    return bool(st.session_state[_SIMPLE])


def saved(message_key: str, **params: object) -> None:
    """Repeat in a toast what the page shows anyway."""
    st.toast(t(message_key, **params))
