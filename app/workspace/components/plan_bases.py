"""What the arms of a planned run read from: bases, and the search settings that differ."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from app.workspace.components import access, knowledge_rights, url
from app.workspace.components.base_passages import takes_passages
from app.workspace.strings import raw, t
from core.errors import Invalid, NotFound
from core.names import split_ref
from prompts import service
from prompts.content import PromptContent

_OFFERED = (
    *("mode=hybrid", "mode=dense", "mode=lexical"),
    *("top_k=3", "top_k=5", "top_k=8", "rerank=true"),
)


class Reading(NamedTuple):
    """Fields of a RunRequest; without bases, arms read from none."""

    kb: tuple[str, ...] = ()
    retrieval: tuple[tuple[str, Any], ...] = ()
    subject: str | None = None


def draw(prompts: Sequence[str]) -> Reading:
    """The fields, where a chosen prompt takes passages and there is a base. Raises Invalid."""
    offered = _bases()
    if not offered or not _any_takes_passages(prompts):
        return Reading()
    asked = url.get("kb")
    chosen = st.multiselect(
        t("runs.bases"), offered, default=[asked] if asked in offered else [], key="plan_bases",
        accept_new_options=True, help=t("runs.bases_help"), placeholder=raw("prompts.no_kb"),
    )  # fmt: skip
    if not chosen:
        return Reading()
    settings = st.multiselect(
        t("runs.retrieval"), _OFFERED, key="plan_retrieval", accept_new_options=True,
        help=t("runs.retrieval_help"), placeholder=raw("runs.retrieval_own"),
    )  # fmt: skip
    return Reading(
        tuple(chosen), tuple(_setting(text) for text in settings), knowledge_rights.subject()
    )


def _bases() -> list[str]:
    with access.reading() as session:
        return knowledge_rights.readable_names(session)


def _any_takes_passages(prompts: Sequence[str]) -> bool:
    found: list[PromptContent] = []
    with access.reading() as session:
        for text in prompts:
            try:
                found.append(service.get(session, *split_ref(text)).content)
            except NotFound:
                continue  # the plan says so in its own words
    return any(takes_passages(one) for one in found)


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise Invalid(raw("runs.retrieval_wrong", text=text[:60]), param="retrieval")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value
