"""Passages of a knowledge base in the values of a prompt, as whoever looks may find them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from app.server import context
from app.workspace.components import access, knowledge_rights
from app.workspace.strings import raw, t
from evalsets.runs.grounding import FrozenBase, freeze_bases, search_settings
from prompts.content import PromptContent, typed_inputs
from prompts.outcome import TemplateError
from prompts.scene import Reading
from prompts.template import renderer
from rag.answer import Source, asked, fitted, passages, sources_of
from rag.search_settings import SearchSettings

INTO = "context"


class Base(NamedTuple):
    """A base at its newest snapshot, and how it is searched."""

    frozen: FrozenBase
    settings: SearchSettings


class Filled(NamedTuple):
    """The values of a prompt, and the passages that stand in one of them.

    `asked` are the variables that its text reads beside them. `is_whole`: no passage is missing
    because it was not searched for.
    """

    values: dict[str, Any]
    base: Base | None = None
    asked: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    is_whole: bool = True

    def reading(self, answers: Sequence[str]) -> Reading | None:
        """What these answers were given, as a scene keeps it."""
        if self.base is None or not answers:
            return None
        frozen, found = self.base.frozen, tuple(one.row() for one in self.sources)
        return Reading(
            answers=tuple(answers), kb=frozen.kb, base_id=frozen.base_id,
            snapshot=frozen.snapshot, sources=found,
        )  # fmt: skip


def takes_passages(content: PromptContent) -> bool:
    """Whether a prompt has a place for passages; not one that cannot be read."""
    try:
        return INTO in renderer().variables_of(content).used
    except TemplateError:
        return False


def choose(
    key: str, chosen: str | None, names: Sequence[str], keep: Callable[[str | None], None]
) -> None:
    """The field for the base; one that is no longer offered can only be taken back."""
    st.session_state[key] = chosen  # with an index of its own the field could not be emptied
    options = list(names) if chosen in (*names, None) else [chosen, *names]
    st.selectbox(
        t("prompts.kb"), options, index=None, key=key,
        on_change=lambda: keep(st.session_state[key]), placeholder=raw("prompts.no_kb"),
    )  # fmt: skip


def filled(
    content: PromptContent,
    given: Mapping[str, Any],
    kb: str | None,
    search: Mapping[str, Any] | None = None,
    *,
    seek: bool = True,
) -> Filled:
    """Typed values, with passages of the base `kb`, whose settings `search` overrides.

    Without `seek` nothing is searched: only what was found lately is put in. Raises Invalid,
    NotFound, Forbidden, Unavailable.
    """
    if kb is None:
        return Filled(typed_inputs(content, given))
    report = renderer().variables_of(content)
    fit = fitted(content, report, INTO)
    if fit is None:
        return Filled(typed_inputs(content, given))
    base = _base(kb, search or {})
    values = typed_inputs(asked(content, INTO), given)
    query = str(values.get(fit.query) or "")
    found = _found(base, query, seek) if query.strip() else ()
    values[INTO] = passages(found or (), as_text=fit.as_text)
    beside = tuple(name for name in report.used if name != INTO)
    return Filled(values, base, beside, found or (), found is not None)


def _base(kb: str, search: Mapping[str, Any]) -> Base:
    with access.reading() as session:
        knowledge_rights.readable(session, kb)
        (frozen,) = freeze_bases(session, [kb])
    return Base(frozen, search_settings(frozen, search))


def _found(base: Base, query: str, seek: bool) -> tuple[Source, ...] | None:
    searcher, subject = context.current().searcher, knowledge_rights.subject()
    kb, settings = base.frozen.kb, base.settings
    found = searcher.recall(kb, query, settings, subject=subject)
    if found is None and seek:
        found = searcher.search(kb, query, settings, subject=subject, keep=True)
    return None if found is None else sources_of(found)
