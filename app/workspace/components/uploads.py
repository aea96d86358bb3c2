"""A drop zone for documents, and what is told of them before they are queued."""

from typing import Any

import streamlit as st

from app.server import context
from app.workspace.components import access, url
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from rag import uploads
from rag.ingests import start_add
from rag.models import KnowledgeBase
from rag.parser_settings import BUILTIN, Docling, ParserSettings, has_docling
from rag.settings import read_meta
from rag.sources import Source, vanished
from rag.staging import document_sources
from rag.uploads import Upload

_TURN = "uploads_turn"
_MOST_MEGABYTES = 200


def draw(base: KnowledgeBase) -> None:
    """Choose files or a folder; the button that queues them stands there once they came."""
    with st.container(horizontal=True, vertical_alignment="center"):
        what = url.choice(
            "knowledge", "from", ("files", "folder"), lambda c: raw(f"knowledge.from_{c}"),
            raw("knowledge.from"),
        )  # fmt: skip
        st.caption(t("knowledge.drop_help"), width="stretch")
    turn = st.session_state.setdefault(_TURN, 0)
    files = st.file_uploader(
        t("knowledge.drop"), accept_multiple_files="directory" if what == "folder" else True,
        key=f"uploads_{what}_{turn}", max_upload_size=_MOST_MEGABYTES,
        label_visibility="collapsed",
    )  # fmt: skip
    if not files:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        meta = pairs("uploads_meta", "knowledge.metadata")
        parser = _parser()
        st.button(
            t("knowledge.add_n", n=len(files)), key="uploads_add", type="primary",
            icon=":material/add:", on_click=_queue, args=(base, files, meta, parser),
        )  # fmt: skip


def _parser() -> ParserSettings:
    """What reads the files; there is a choice where docling is installed."""
    if not has_docling():
        return BUILTIN
    return st.selectbox(
        t("knowledge.parser"), (BUILTIN, Docling()), key="uploads_parser", width=160,
        format_func=lambda one: raw(f"knowledge.parser_{one.kind}"),
        help=t("knowledge.parser_help"),
    )  # fmt: skip


def pairs(key: str, label_key: str) -> list[str]:
    """Texts KEY=VALUE that one types, as chips."""
    return st.multiselect(
        t(label_key), [], key=key, accept_new_options=True, placeholder="KEY=VALUE", width=360
    )


def _queue(base: KnowledgeBase, files: list[Any], meta: list[str], parser: ParserSettings) -> None:
    try:
        given = read_meta(meta)
        sources = uploads.spool(
            context.current().settings.data, [Upload(file.name, file) for file in files]
        )
    except PromptstoneError as error:
        access.refuse(error)
        return
    if access.act(lambda session: start_add(
        session, base.name, sources, meta=given, gone=_gone(session, base, sources), parser=parser
    )) is None:  # fmt: skip
        uploads.discard(sources)
        return
    st.session_state[_TURN] += 1


def _gone(session: Any, base: KnowledgeBase, sources: list[Source]) -> list[str]:
    """Documents that an earlier upload of the same folder had."""
    return vanished(document_sources(session, base.id), sources)


def as_text(meta: dict[str, Any]) -> str:
    """Metadata in one line."""
    shown = {k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in meta.items()}
    return " · ".join(f"{key}={value}" for key, value in shown.items())
