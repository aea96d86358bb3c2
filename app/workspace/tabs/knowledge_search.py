"""Search of a base: what is found by one or two settings, why, and whether it answers."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import streamlit as st

from app.server import context
from app.workspace.components import (
    access,
    document_inspector,
    knowledge_rights,
    numbers,
    passages,
    search_box,
    search_fields,
    url,
)
from app.workspace.components.knowledge_rights import View
from app.workspace.components.passages import Block
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from rag import marks, service
from rag.search_settings import SearchSettings
from rag.searching import Found, FoundHit, saved_settings

MOST_SHOWN = 50
SIGNS = {True: "✓", False: "✗"}


class Shown(NamedTuple):
    """A hit on the page, with what was judged of it."""

    id: str
    found: FoundHit
    judged: bool | None


def draw(seen: View) -> None:
    query = _query()
    two = url.get("two") is not None
    sides = search_fields.SIDES if two else search_fields.SIDES[:1]
    bar = st.container()
    columns = st.columns(len(sides), gap="medium")
    hits: list[Shown] = []
    for side, column in zip(sides, columns, strict=True):
        with column, access.shown_errors():
            settings = search_fields.draw(side, saved_settings(seen.base))
            if query:
                hits += _results(seen, side, query, settings)
            if not seen.limited:
                _save(seen, side, settings)
    if query and hits:
        with bar:
            _chosen(seen, query, hits)
    elif not query:
        with bar:
            st.caption(t("knowledge.search_help"))


def _query() -> str:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        query = search_box.draw("search", "ask", "knowledge.query", live=False, sel=None)
        st.button(
            t("knowledge.search"), key="search_go", type="primary", icon=":material/search:",
            on_click=partial(url.put, sel=None),
        )  # fmt: skip
        two = url.get("two") is not None
        st.button(
            t("knowledge.one_setting" if two else "knowledge.two_settings"), key="search_two",
            on_click=_one if two else partial(url.put, two=1), icon=":material/view_column:",
        )  # fmt: skip
    return query


def _one() -> None:
    search_fields.forget("b_")
    url.put(two=None, sel=None)


def _snapshot() -> int | None:
    asked = url.get("snap")
    return int(asked) if asked is not None and asked.isdecimal() else None


def _results(seen: View, side: str, query: str, settings: SearchSettings) -> list[Shown]:
    with st.spinner(t("knowledge.searching")):
        found = context.current().searcher.search(
            seen.base.name, query, settings, snapshot=_snapshot(),
            subject=knowledge_rights.subject(),
        )  # fmt: skip
    _said(found)
    with access.reading() as session:
        known = marks.marks(session, seen.base.id, query)
    judged = {(one.document_id, one.start, one.end): one.relevant for one in known}
    shown = [
        Shown(f"{side}{hit.hit.chunk_id}", hit, judged.get((hit.document_id, hit.start, hit.end)))
        for hit in found.hits[:MOST_SHOWN]
    ]
    if shown:
        passages.passages(
            [_block(one) for one in shown], key=f"hits_{side[:1] or 'a'}",
            label=raw("knowledge.hits_of", query=query), selected=url.get("sel") or shown[0].id,
            on_pick=lambda hit_id: url.put(sel=hit_id), focus=None if side else query,
        )  # fmt: skip
    return shown


def _said(found: Found) -> None:
    if not found.hits:
        st.caption(t("knowledge.nothing_found"))
        return
    took = numbers.span(found.seconds * 1000)
    st.caption(t("knowledge.found", n=len(found.hits), snapshot=found.snapshot, took=took))
    if len(found.hits) > MOST_SHOWN:
        st.caption(t("knowledge.first_shown", n=MOST_SHOWN))


def _block(shown: Shown) -> Block:
    found = shown.found
    sign = "" if shown.judged is None else SIGNS[shown.judged]
    place = document_inspector.place(found.page, found.headings)
    head = [f"{found.hit.rank}", found.document, place, f"{found.hit.score:.3f}", sign]
    return Block(shown.id, " · ".join(filter(None, head)), found.text, why(found))


def why(found: FoundHit) -> str:
    """Ranks and scores of both lists, and the query's words that stand in the text."""
    hit = found.hit
    parts: list[str] = []
    for name, rank, score in (
        ("dense", hit.dense_rank, hit.dense_score),
        ("lexical", hit.lexical_rank, hit.lexical_score),
    ):
        if rank is not None:
            value = numbers.MISSING if score is None else f"{score:.2f}"
            parts.append(raw(f"knowledge.why_{name}", rank=rank, score=value))
    if hit.rerank_score is not None:
        parts.append(raw("knowledge.why_rerank", score=f"{hit.rerank_score:.2f}"))
    if hit.terms:
        parts.append(raw("knowledge.why_terms", terms=", ".join(hit.terms)))
    return " · ".join(parts)


def _chosen(seen: View, query: str, hits: Sequence[Shown]) -> None:
    """What can be done with the chosen hit, by button and by key."""
    at = next((n for n, one in enumerate(hits) if one.id == url.get("sel")), 0)
    one = hits[at]
    with st.container(horizontal=True, vertical_alignment="center", key="hit_actions"):
        for name, key, relevant in (("relevant", "1", True), ("irrelevant", "2", False)):
            st.button(
                t(f"knowledge.{name}"), key=f"hit_{name}", shortcut=url.shortcut(key),
                icon=":material/check:" if relevant else ":material/close:",
                on_click=_mark, args=(seen, query, hits, one, relevant),
            )  # fmt: skip
        for name, key, to in (("previous_hit", "Up", at - 1), ("next_hit", "Down", at + 1)):
            st.button(
                t(f"knowledge.{name}"), key=name, type="tertiary", shortcut=url.shortcut(key),
                disabled=not 0 <= to < len(hits),
                on_click=partial(url.put, sel=hits[to % len(hits)].id),
            )  # fmt: skip
        st.caption(plain(f"{one.found.hit.rank} · {one.found.document}"))
        st.space("stretch")
        url.link(
            "knowledge", t("knowledge.open_in_document"), ":material/menu_book:",
            id=seen.base.name, tab="documents", doc=one.found.document_id,
            sel=one.found.hit.chunk_id,
        )  # fmt: skip
    if one.found.given != one.found.text:
        with st.expander(t("knowledge.given")):
            st.code(visible(one.found.given), language=None, wrap_lines=True)


def _mark(seen: View, query: str, hits: Sequence[Shown], drawn: Shown, relevant: bool) -> None:
    """Mark the hit that is chosen now, which may be newer than what was drawn.

    The same key twice takes the judgement back.
    """
    one = next((hit for hit in hits if hit.id == url.get("sel")), drawn)
    value = None if one.judged is relevant else relevant
    chunk = one.found.hit.chunk_id
    access.act(lambda session: (marks.mark(session, seen.base, query, chunk, value), True))


def _save(seen: View, side: str, settings: SearchSettings) -> None:
    st.button(
        t("knowledge.save_settings"), key=f"save_settings_{side}", type="tertiary",
        icon=":material/save:", on_click=save, args=(seen, settings),
    )  # fmt: skip


def save(seen: View, settings: SearchSettings) -> None:
    """Make settings the base's own; a filter belongs to one search and is left out."""
    values = settings.model_copy(update={"where": ()}).model_dump(mode="json")
    done = access.act(lambda session: (service.save_retrieval(session, seen.base.id, values), True))
    if done:
        for side in search_fields.SIDES:
            search_fields.forget(side)
        access.saved("knowledge.settings_saved")
