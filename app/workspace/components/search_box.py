"""A text that is searched for, kept in the address.

Not by `bind="query-params"`: while a bound text stands there, no callback may change the address.
"""

import streamlit as st

from app.workspace.components import url
from app.workspace.strings import raw, t


def draw(page: str, param: str, label_key: str, *, live: bool = True, **ends: None) -> str:
    """The text, without blanks around it; a change ends the parameters named in `ends`."""
    key = f"{page}_{param}"
    current = url.get(param) or ""
    if st.session_state.get(key) != current:
        st.session_state[key] = current

    def changed() -> None:
        url.put(**{param: st.session_state[key] or None}, **ends)

    st.text_input(
        t(label_key), key=key, on_change=changed, type="search", live="300ms" if live else False,
        placeholder=raw(label_key), label_visibility="collapsed",
        width=260 if live else "stretch",
    )  # fmt: skip
    return current.strip()
