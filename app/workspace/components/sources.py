"""The passages that an answer was given, by number, each a link to its chunk."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.workspace.components import url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from rag.answer import cited


def draw(
    kb: str | None,
    sources: Sequence[Mapping[str, Any]],
    answer: str,
    *,
    key: str = "cell_sources",
) -> None:
    """Nothing without a base and sources; those that the answer cites are marked."""
    if kb is None or not sources:
        return
    used = set(cited(answer, len(sources)))
    with st.container(gap=None, key=key):
        st.caption(t("runs.sources", kb=kb))
        for one in sources:
            parts = [f"[{one['n']}] {one['document']}"]
            if one["page"] is not None:
                parts.append(raw("knowledge.page_n", n=one["page"]))
            if one["n"] in used:
                parts.append(raw("runs.source_cited"))
            url.link(
                "knowledge", plain(" · ".join(parts)), id=kb, tab="documents",
                icon=":material/check:" if one["n"] in used else ":material/description:",
                doc=one["document_id"], sel=one["chunk_id"],
            )  # fmt: skip
