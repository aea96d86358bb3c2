"""Write a prompt and try it: messages left, values and the answer right."""

import streamlit as st

from app.workspace.components import access, editor, fields, trial
from app.workspace.components.plain import plain
from app.workspace.components.working import Working, working
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from prompts.models import PromptPublic
from prompts.template import VariableReport, renderer

ROLES = ("system", "user", "assistant")


def draw(version: PromptPublic) -> None:
    """The whole tab is one fragment, so that typing redraws nothing else."""
    _tab(version)


@st.fragment
def _tab(version: PromptPublic) -> None:
    copy = working(version)
    access.notice()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        for place in range(len(copy.messages)):
            _message(copy, place)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(t("prompts.add_message"), icon=":material/add:", on_click=copy.add)
            report = _report(copy)
            fields.settings(copy, report)
        _variables(copy, report)
    with right:
        trial.draw(copy, report)


def _message(copy: Working, place: int) -> None:
    role, number = copy.messages[place]["role"], copy.ids[place]
    key = f"message_{copy.revision}_{number}"

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
    )


def _small(action, args, icon: str, name: str, key: str, disabled: bool) -> None:
    st.button(
        icon, key=f"{key}_{name}", help=t(name), on_click=action, args=args,
        type="tertiary", disabled=disabled,
    )  # fmt: skip


def _report(copy: Working) -> VariableReport | None:
    """What the texts read; None while one of them cannot be compiled."""
    try:
        return renderer().variables(copy.checked().messages)
    except PromptstoneError as error:
        st.caption(f":material/error: {plain(error.message)}")
    return None


def _variables(copy: Working, report: VariableReport | None) -> None:
    if report is None:
        return
    names = [item["name"] for item in copy.content.get("inputs", [])]
    missing = [n for n in report.used if n not in names and n not in report.optional]
    unused = [name for name in names if name not in report.used]
    if not report.used:
        st.caption(t("prompts.no_variables"))
    if missing:
        st.caption(t("prompts.undeclared", names=", ".join(missing)))
    if unused:
        st.caption(t("prompts.unused", names=", ".join(unused)))
