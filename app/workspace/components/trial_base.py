"""Trying a prompt on a knowledge base: passages are found and put in before the call."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from app.server import context
from app.workspace.components import access, knowledge_rights
from app.workspace.components.working import Working
from app.workspace.strings import raw, t
from prompts.content import PromptContent, typed_inputs
from prompts.template import VariableReport, renderer
from rag import service
from rag.answer import Source, asked, fitted, passages, sources_of

INTO = "context"


class Filled(NamedTuple):
    """The values of a prompt, and the passages that stand in one of them."""

    values: dict[str, Any]
    sources: tuple[Source, ...] = ()


def choose(copy: Working, report: VariableReport) -> None:
    """The base to answer from, offered where the prompt takes passages."""
    with access.reading() as session:
        names = [base.name for base in service.list_bases(session)]
    if INTO not in report.used or not names:
        copy.kb = None
        return
    key = f"trial_base_{copy.name}"

    def changed() -> None:
        copy.kb, copy.sources = st.session_state[key], []
        copy.keep_try()

    copy.kb = copy.kb if copy.kb in names else None
    st.selectbox(
        t("prompts.kb"), names, index=names.index(copy.kb) if copy.kb else None, key=key,
        on_change=changed, placeholder=raw("prompts.no_kb"),
    )  # fmt: skip


def filled(copy: Working, content: PromptContent, given: Mapping[str, Any]) -> Filled:
    """Typed values, with passages of the chosen base; raises Invalid, NotFound, Unavailable."""
    fit = fitted(content, renderer().variables_of(content), INTO) if copy.kb else None
    if copy.kb is None or fit is None:
        return Filled(typed_inputs(content, given))
    values = typed_inputs(asked(content, INTO), given)
    query, sources = str(values.get(fit.query) or ""), ()
    if query.strip():
        subject = knowledge_rights.subject()
        sources = sources_of(context.current().searcher.search(copy.kb, query, subject=subject))
    return Filled({**values, INTO: passages(sources, as_text=fit.as_text)}, sources)
