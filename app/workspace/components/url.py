"""The address is the state: codes in the query, never translated labels."""

from collections.abc import Callable, Sequence
from typing import NoReturn

import streamlit as st


def get(name: str, default: str | None = None) -> str | None:
    """A parameter of the address."""
    return st.query_params.get(name, default)


def put(**params: str | int | None) -> None:
    """Change parameters of the address in one step of the history; None takes one away."""
    before = st.query_params.to_dict()
    after = {**before, **{name: str(value) for name, value in params.items() if value is not None}}
    for name, value in params.items():
        if value is None:
            after.pop(name, None)
    if after != before:
        st.query_params.from_dict(after)


def replace(**params: str | int | None) -> None:
    """Change the address to just these parameters."""
    st.query_params.from_dict({k: str(v) for k, v in params.items() if v is not None})


def page_file(page: str) -> str:
    """The script of a page, relative to the entry script."""
    return f"{page}.py"


def go(page: str, **params: str | int | None) -> NoReturn:
    """Leave for another page; not from a callback."""
    given = {name: str(value) for name, value in params.items() if value is not None}
    st.switch_page(page_file(page), query_params=given)


def link(page: str, label: str, icon: str | None = None, **params: str | int | None) -> None:
    """A link to a page; `label` must be safe for Markdown."""
    given = {name: str(value) for name, value in params.items() if value is not None}
    st.page_link(page_file(page), label=label, icon=icon, query_params=given)


def choice(
    page: str,
    name: str,
    codes: Sequence[str],
    label: Callable[[str], str],
    title: str,
    *,
    clears: Sequence[str] = (),
) -> str:
    """One of few codes, kept in the address; `clears` names parameters that a change ends."""
    key = f"{page}_{name}"
    asked = get(name)
    current = asked if asked in codes and asked is not None else codes[0]
    st.session_state[key] = current

    def changed() -> None:
        picked = st.session_state[key]
        put(**{name: None if picked == codes[0] else picked}, **dict.fromkeys(clears))

    st.segmented_control(
        title,
        codes,
        format_func=label,
        key=key,
        on_change=changed,
        required=True,
        label_visibility="collapsed",
    )
    return current


def select(
    page: str,
    name: str,
    options: Sequence[str],
    label: str,
    shown: Callable[[str], str] = str,
    *,
    clears: Sequence[str] = (),
) -> str:
    """One of many options, kept in the address as it is; `label` must be safe for Markdown."""
    key, current = f"{page}_{name}", get(name)
    st.session_state[key] = current if current in options else options[0]

    def changed() -> None:
        put(**{name: st.session_state[key]}, **dict.fromkeys(clears))

    return st.selectbox(label, options, key=key, on_change=changed, format_func=shown, width=320)


def drawer() -> str | None:
    """The drawer that is open."""
    return get("do")


def open_drawer(name: str) -> None:
    """Open a drawer at the next run."""
    put(do=name)


def close_drawer() -> None:
    """Close the drawer at the next run."""
    put(do=None)


def shortcut(keys: str) -> str | None:
    """`keys`, but silent while a drawer is open, behind which buttons would still fire."""
    return None if drawer() else keys


_NEXT = "url_next"


def leave(page: str, **params: str | int | None) -> None:
    """Ask, in a callback, to leave for another page; `left` does it."""
    st.session_state[_NEXT] = (page, params)


def left() -> None:
    """Leave for the page that a callback asked for."""
    asked = st.session_state.pop(_NEXT, None)
    if asked is not None:
        page, params = asked
        go(page, **params)


def announce() -> None:
    """Tell the browser the address of this run: a link within a page does not move it there."""
    st.query_params.from_dict(st.query_params.to_dict())
