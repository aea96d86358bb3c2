"""Write a prompt and try it: messages left, values and the answer right."""

import streamlit as st

from app.workspace.components import access, fields, messages, trial, url
from app.workspace.components.completing import Known
from app.workspace.components.plain import plain
from app.workspace.components.working import Working, working
from app.workspace.strings import t
from core.errors import PromptstoneError
from prompts import service
from prompts.models import PromptPublic
from prompts.outcome import TemplateError
from prompts.template import VariableReport, renderer


def draw(version: PromptPublic) -> None:
    """The whole tab is one fragment, so that typing redraws nothing else."""
    _tab(version, url.drawer())


@st.fragment
def _tab(version: PromptPublic, drawer: str | None) -> None:
    # A button here redraws this fragment alone, also one that leads elsewhere or opens a drawer.
    url.left()
    if url.drawer() != drawer:
        st.rerun()
    copy = working(version)
    access.notice()
    left, right = st.columns([3, 2], gap="medium")
    report, error = _report(copy)
    with access.reading() as session:
        snippets = service.snippet_names(session, version.name)
    known = Known(snippets, error.problem if isinstance(error, TemplateError) else None)
    with left:
        messages.draw(copy, known=known)
        _unplaced(error, known)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(t("prompts.add_message"), icon=":material/add:", on_click=copy.add)
            st.button(
                t("prompts.add_thread"), icon=":material/forum:", on_click=copy.add_thread,
                key="add_thread", help=t("prompts.add_thread_help"), type="tertiary",
            )  # fmt: skip
            fields.settings(copy, report)
        _variables(copy, report)
    with right:
        trial.draw(copy, report)


def _report(copy: Working) -> tuple[VariableReport | None, PromptstoneError | None]:
    """What the texts read, or why one of them cannot be compiled."""
    try:
        return renderer().variables_of(copy.checked()), None
    except PromptstoneError as error:
        return None, error


def _unplaced(error: PromptstoneError | None, known: Known) -> None:
    """The error, where no editor says it at its line."""
    if error is not None and (access.simple_editor() or not known.is_placed):
        st.caption(f":material/error: {plain(error.message)}")


def _variables(copy: Working, report: VariableReport | None) -> None:
    if report is None:
        return
    names = [variable.name for variable in copy.inputs(())]
    missing = [n for n in report.used if n not in names and n not in report.optional]
    unused = [name for name in names if name not in report.used]
    if not report.used:
        st.caption(t("prompts.no_variables"))
    if missing:
        st.caption(t("prompts.undeclared", names=", ".join(missing)))
    if unused:
        st.caption(t("prompts.unused", names=", ".join(unused)))
