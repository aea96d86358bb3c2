"""The messages of a prompt as fields: role, place, text."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.workspace.components import editor
from app.workspace.components.completing import Known
from app.workspace.components.working import Working
from app.workspace.strings import raw, t

ROLES = ("system", "user", "assistant")


def draw(copy: Working, *, prefix: str = "message", known: Known | None = None) -> None:
    """All messages; `prefix` tells the fields of one text from those of another on the page.

    `known` is what their editors offer and what is wrong with one of them.
    """
    known = known or Known()
    for place in range(len(copy.messages)):
        _message(copy, place, f"{prefix}_{copy.revision}_{copy.ids[place]}", known)


def _message(copy: Working, place: int, key: str, known: Known) -> None:
    role = copy.messages[place]["role"]

    def turned() -> None:
        copy.set_role(place, st.session_state[f"{key}_role"])

    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.selectbox(
            t("prompts.role"), ROLES, index=ROLES.index(role), key=f"{key}_role",
            on_change=turned, width=130, label_visibility="collapsed",
        )  # fmt: skip
        st.space("stretch")
        last = place == len(copy.messages) - 1
        _small(
            copy.move, (place, -1), ":material/arrow_upward:", "prompts.move_up", key, place == 0
        )
        _small(copy.move, (place, 1), ":material/arrow_downward:", "prompts.move_down", key, last)
        only = len(copy.messages) == 1
        _small(copy.remove, (place,), ":material/close:", "prompts.remove_message", key, only)
    editor.editor(
        copy.messages[place]["content"],
        key=key,
        label=raw("prompts.message_n", n=place + 1, role=role),
        on_text=lambda text: copy.set_text(place, text),
        revision=copy.revision,
        numbered=True,
        placeholder=raw("prompts.message_hint"),
        template=known.at(place, copy.content),
    )


def _small(
    action: Callable[..., None], args: tuple[Any, ...], icon: str, name: str, key: str,
    disabled: bool,
) -> None:  # fmt: skip
    st.button(
        icon, key=f"{key}_{name}", help=t(name), on_click=action, args=args,
        type="tertiary", disabled=disabled,
    )  # fmt: skip
