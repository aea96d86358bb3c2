"""A line for each of a base's newest ingests: how far it is, what failed and why."""

import streamlit as st

from app.workspace.components import access, live, numbers, table, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from evalsets.runs.worker_note import worker_alive
from rag import ingests
from rag.ingests import Progress
from rag.models import KnowledgeBase
from rag.service import LIVE, get

_SHOWN = 3


def draw(base: KnowledgeBase) -> bool:
    """Poll while one of them lives; whether one does."""
    alive = any(one.state in LIVE for one in _recent(base.name))
    live.live(_lines, alive=alive, every="2s")
    return alive


def _recent(kb: str) -> list[Progress]:
    with access.reading() as session:
        base = get(session, kb)
        newest = ingests.recent(session, base.id, _SHOWN)
        return [ingests.progress(session, one) for one in newest]


def _lines() -> bool:
    kb = url.get("id")
    found = _recent(kb) if kb else []
    for one in found:
        _line(one)
    lives = any(one.state in LIVE for one in found)
    if lives and not worker_alive(access.database()):
        st.caption(t("knowledge.no_worker"))
    return lives


def _line(one: Progress) -> None:
    parts = [t(f"knowledge.ingest_{one.kind}"), t(f"runs.state_{one.state}")]
    parts.append(t("knowledge.ingest_done", n=numbers.count(one.done)))
    if one.unchanged:
        parts.append(t("knowledge.ingest_unchanged", n=numbers.count(one.unchanged)))
    if one.failed:
        parts.append(t("runs.failed_n", n=numbers.count(one.failed)))
    parts.append(t("knowledge.chunks_n", n=numbers.count(one.chunks)))
    if one.state in LIVE:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(_share(one), text=" · ".join(parts))
            st.button(
                t("knowledge.cancel"), key=f"ingest_cancel_{one.id}", on_click=_cancel,
                args=(one.id,), icon=":material/stop:",
            )  # fmt: skip
    else:
        when = plain(numbers.ago(one.created_at))
        parts.append(when)
        st.caption(" · ".join(parts))
    if one.error:
        st.error(plain(one.error), icon=":material/error:")
    if one.failures or one.vanished:
        _unhappy(one)


def _share(one: Progress) -> float:
    read = one.done + one.unchanged + one.failed
    return min(read / one.total, 1.0) if one.total else 0.0


def _unhappy(one: Progress) -> None:
    """Files by name with the reason, and documents whose files have gone."""
    count = len(one.failures) + len(one.vanished)
    with st.expander(t("knowledge.unhappy", n=count), key=f"ingest_unhappy_{one.id}"):
        rows = [{"name": f.name, "reason": f.reason} for f in one.failures]
        gone = raw("knowledge.vanished")
        rows += [{"name": name, "reason": gone} for name in one.vanished]
        table.still(
            rows[: table.PAGE], {c: raw(f"columns.{c}") for c in ("name", "reason")},
            alt=raw("knowledge.unhappy", n=count), widths={"name": 260},
        )  # fmt: skip
        if one.failures and one.state not in LIVE:
            st.button(
                t("knowledge.retry"), key=f"ingest_retry_{one.id}", on_click=_retry,
                args=(one.id,), icon=":material/redo:",
            )  # fmt: skip


def _cancel(ingest_id: str) -> None:
    access.act(lambda session: (ingests.cancel(session, ingest_id), True))


def _retry(ingest_id: str) -> None:
    access.act(lambda session: ingests.retry_failed(session, ingest_id))
