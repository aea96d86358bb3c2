"""Fields of a base's settings: which embedder, how documents are cut."""

from typing import Any, NamedTuple

import streamlit as st

from app.workspace.components import access
from app.workspace.strings import raw, t
from connectors.service import list_models
from rag.opening import PACKAGED
from rag.settings import chunk_settings

CHUNKERS = ("markdown", "recursive", "parent_child")


class Cut(NamedTuple):
    """What was filled in of a chunker."""

    kind: str
    chunk_tokens: int
    overlap: int
    parent_tokens: int

    def settings(self) -> dict[str, Any]:
        """As a base keeps them; raises Invalid."""
        parent = self.parent_tokens if self.kind == "parent_child" else None
        return chunk_settings(self.kind, self.chunk_tokens, self.overlap, parent)


def embedder(key: str, kept: str | None = None) -> str | None:
    """The name of an embedder; None keeps the one that `kept` describes.

    A folder of this machine can be named by the administrator only.
    """
    with access.reading() as session:
        models = [m.name for m in list_models(session) if m.settings.kind == "openai"]
    folders = access.role() == "admin"
    return st.selectbox(
        t("knowledge.embedder"), [*PACKAGED, *models], index=0 if kept is None else None,
        key=key, placeholder=raw("knowledge.keep", what=kept) if kept else "",
        accept_new_options=folders,
        help=t("knowledge.embedder_folder" if folders else "knowledge.embedder_help"),
    )  # fmt: skip


def chunker(key: str, before: dict[str, Any]) -> Cut:
    """How documents are cut; `before` is what stands in the fields."""
    tokens = int(before.get("chunk_tokens", 256))
    kind = st.selectbox(
        t("knowledge.chunker"), CHUNKERS, key=f"{key}_kind",
        index=CHUNKERS.index(before.get("kind", "markdown")),
        format_func=lambda one: raw(f"knowledge.chunker_{one}"), help=t("knowledge.chunker_help"),
    )  # fmt: skip
    left, middle, right = st.columns(3, wrap=False)
    size = left.number_input(t("knowledge.chunk_tokens"), 16, 8192, tokens, key=f"{key}_tokens")
    overlap = middle.number_input(
        t("knowledge.overlap"), 0, 4096, int(before.get("overlap", 32)), key=f"{key}_overlap"
    )
    parent = right.number_input(
        t("knowledge.parent_tokens"), 32, 32768, int(before.get("parent_tokens", 1024)),
        key=f"{key}_parent", help=t("knowledge.parent_help"),
    )  # fmt: skip
    return Cut(kind, int(size), int(overlap), int(parent))
