"""One document whole: its text as chunks in place, what cleaning did, what can be changed."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import streamlit as st

from app.workspace.components import access, chunk_changes, numbers, passages, uploads, url
from app.workspace.components.knowledge_rights import View, find_document
from app.workspace.components.passages import Block
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from rag import documents, edits
from rag.cleaning.clean import Step, clean
from rag.cleaning.settings import CleaningSettings
from rag.models import Chunk, Document, DocumentVersion

PAGE = 50


class Opened(NamedTuple):
    """A document as the newest snapshot shows it."""

    document: Document
    version: DocumentVersion
    chunks: list[Chunk]


def opened(seen: View, document_id: str) -> Opened:
    """Raises NotFound, also where one may not see it."""
    with access.reading() as session:
        document = find_document(session, seen, document_id)
        version = documents.present_version(session, document.id)
        return Opened(document, version, edits.chunks_of(session, document.id))


def chosen_chunk(found: Opened) -> Chunk | None:
    """The chunk that the address names, else the first of the page."""
    named = next((one for one in found.chunks if one.id == url.get("sel")), None)
    return named or next(iter(found.chunks[_start(found.chunks) :]), None)


def draw(seen: View, document_id: str) -> None:
    """The inspector of a document."""
    found = opened(seen, document_id)
    with st.container(border=True, key="inspector", gap="small"):
        st.text(visible(found.document.name))
        _facts(found)
        with st.container(horizontal=True, vertical_alignment="center"):
            view = url.choice(
                "knowledge", "view", ("chunks", "cleaning"), lambda c: raw(f"knowledge.view_{c}"),
                raw("knowledge.view"),
            )  # fmt: skip
            if not seen.limited:
                st.space("stretch")
                st.button(
                    t("knowledge.remove"), key="document_remove", type="tertiary",
                    icon=":material/delete:", on_click=url.open_drawer, args=("remove",),
                )  # fmt: skip
        if view == "cleaning":
            _cleaning(seen, found.version)
        else:
            _chunks(seen, found)


def _facts(found: Opened) -> None:
    version = found.version
    facts = [version.media, raw("knowledge.characters_n", n=numbers.count(len(version.text)))]
    if version.pages:
        facts.append(raw("knowledge.pages_n", n=len(version.pages)))
    facts.append(raw("knowledge.chunks_n", n=numbers.count(len(found.chunks))))
    if version.title:
        facts.append(version.title)
    st.caption(plain(" · ".join(facts)))
    if found.document.meta:
        st.caption(plain(uploads.as_text(found.document.meta)))
    for note in version.notes:
        st.caption(plain(note))
    if version.lost_edits:
        st.caption(t("knowledge.lost_edits", n=version.lost_edits))


def _chunks(seen: View, found: Opened) -> None:
    chosen = chosen_chunk(found)
    if chosen is None:
        st.caption(t("knowledge.no_chunks"))
        return
    start = _start(found.chunks)
    shown = found.chunks[start : start + PAGE]
    if not seen.limited:
        chunk_changes.buttons(found.chunks, chosen)
    before = [None, *found.chunks][start]
    blocks = [block(one, other) for one, other in zip(shown, [before, *shown[:-1]], strict=True)]
    passages.passages(
        blocks, key="document_text", label=found.document.name, selected=chosen.id,
        on_pick=lambda chunk_id: url.put(sel=chunk_id), arrows=True,
    )  # fmt: skip
    _turns(start, len(found.chunks))


def _start(chunks: Sequence[Chunk]) -> int:
    """Where the page of the chosen chunk begins."""
    at = next((n for n, one in enumerate(chunks) if one.id == url.get("sel")), None)
    if at is None:
        asked = url.get("at") or "0"
        at = int(asked) if asked.isdecimal() and int(asked) < len(chunks) else 0
    return at - at % PAGE


def _turns(start: int, total: int) -> None:
    if total <= PAGE:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, to in (("earlier", start - PAGE), ("later", start + PAGE)):
            st.button(
                t(f"knowledge.chunks_{name}"), key=f"chunks_{name}", type="tertiary",
                disabled=not 0 <= to < total, on_click=partial(url.put, at=to, sel=None),
            )  # fmt: skip
        last = min(start + PAGE, total)
        st.caption(t("knowledge.chunks_shown", first=start + 1, last=last, n=total))


def block(chunk: Chunk, before: Chunk | None) -> Block:
    """A chunk as it is shown, with what it repeats of the one before it."""
    head = [str(chunk.position + 1), place(chunk.page, chunk.headings)]
    notes = [raw(f"knowledge.is_{name}") for name, holds in (
        ("edited", chunk.edited and chunk.enabled), ("disabled", not chunk.enabled)
    ) if holds]  # fmt: skip
    repeated = 0
    if before is not None and not chunk.edited and not before.edited:
        repeated = max(0, before.end - chunk.start)
    return Block(
        chunk.id,
        " · ".join(filter(None, head)),
        chunk.text,
        " · ".join([*notes, f"{chunk.start:,}–{chunk.end:,}"]),
        min(repeated, len(chunk.text)),
        off=not chunk.enabled,
    )


def place(page: int | None, headings: Sequence[str]) -> str:
    """`p. 3 · Setup › Linux`"""
    where = [raw("knowledge.page_n", n=page)] if page else []
    return " · ".join([*where, *([" › ".join(headings)] if headings else [])])


def _cleaning(seen: View, version: DocumentVersion) -> None:
    """The steps over the text as it was parsed; near duplicates are a matter between chunks."""
    before = version.text if version.raw_text is None else version.raw_text
    pages = version.pages if version.raw_text is None else version.raw_pages
    done = clean(before, pages, CleaningSettings(**seen.base.cleaning))
    st.caption(
        t("knowledge.cleaned", before=numbers.count(len(before)),
          after=numbers.count(len(done.text)))
    )  # fmt: skip
    still = [raw(f"knowledge.step_{one.name}") for one in done.steps if not one.changes]
    for step in done.steps:
        if step.changes:
            _step(step)
    if still:
        st.caption(t("knowledge.steps_still", names=" · ".join(still)))


def _step(step: Step) -> None:
    """A step that did something, with its first changes before and after."""
    name = raw(f"knowledge.step_{step.name}")
    st.caption(
        t("knowledge.step_did", name=name, n=numbers.count(step.changes),
          removed=numbers.count(step.removed_chars))
    )  # fmt: skip
    for before, after in step.samples:
        left, right = st.columns(2, gap="small")
        left.code(visible(before), language=None, wrap_lines=True)
        right.code(visible(after), language=None, wrap_lines=True)
