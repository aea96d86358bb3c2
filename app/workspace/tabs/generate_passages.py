"""The part of the drawer that writes cases which draws passages from a knowledge base."""

from typing import NamedTuple

import streamlit as st

from app.workspace.components import access, knowledge_rights
from app.workspace.strings import raw, t
from evalsets.improving.generating import MOST_TEXT
from evalsets.improving.passages import Passage, passages
from rag import service
from rag.drawing import draw


class DrawnFrom(NamedTuple):
    """A base, one document of it by id or name or all, and the seed of the draw."""

    base: str
    document: str | None
    seed: int


def chosen() -> DrawnFrom | None:
    """Which base, if any; only documents that the person may see are offered."""
    with access.reading() as session:
        bases = [base.name for base in service.list_bases(session)]
    if not bases:
        return None
    left, middle, right = st.columns([3, 3, 1])
    base = left.selectbox(
        t("improve.cases_base"), bases, index=None, key="generate_kb",
        placeholder=raw("improve.cases_no_base"),
    )  # fmt: skip
    if base is None:
        return None
    with access.reading() as session:
        seen = knowledge_rights.view(session, service.get(session, base))
        rows = knowledge_rights.page_documents(session, seen, search=None, after=None)
    document = middle.selectbox(
        t("improve.cases_document"), [row.name for row in rows], index=None,
        key=f"generate_document_{base}", placeholder=raw("improve.cases_all_documents"),
        accept_new_options=True,
    )  # fmt: skip
    seed = right.number_input(t("improve.cases_seed"), 0, 1_000_000, 0, key="generate_seed")
    return DrawnFrom(base, document, int(seed))


def drawn(place: DrawnFrom, wanted: int, taken: int) -> list[Passage]:
    """A passage for each case, as far as the text beside them leaves room; says how many."""
    with access.shown_errors(), access.reading() as session:
        seen = knowledge_rights.view(session, service.get(session, place.base))
        if place.document is not None:
            knowledge_rights.find_document(session, seen, place.document)
        found = draw(
            session, place.base, wanted, seen.allowed, document=place.document,
            seed=place.seed, characters=max(0, MOST_TEXT - taken),
        )  # fmt: skip
        made = passages(found.chunks)
        documents = len({one.document for one in made})
        st.caption(t("improve.cases_drawn", n=len(made), documents=documents, all=found.documents))
        return made
    return []
