"""How well a base is searched: figures on judged queries, two settings compared, latency."""

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import streamlit as st

from app.server import context, measuring
from app.server.measuring import Measurement
from app.workspace.components import access, live, numbers, quality_figures, search_fields, url
from app.workspace.components.knowledge_rights import View
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.database import Database
from evalsets.retrieval import Judged, read_judged
from rag import marks
from rag.search_settings import SearchSettings
from rag.searching import saved_settings

_MOST_MEGABYTES = 200


def draw(seen: View) -> None:
    judge = _test_set(seen)
    settings: Mapping[str, SearchSettings] = {}
    with access.shown_errors():
        settings = _settings(seen)
    st.button(
        t("knowledge.measure"), key="quality_measure", type="primary", icon=":material/speed:",
        disabled=judge is None or not settings, on_click=_start, args=(seen, settings, judge),
    )  # fmt: skip
    asked = url.get("job")
    if asked is None:
        return
    job = measuring.find(asked, seen.base.name)
    if job is None:
        st.caption(t("knowledge.job_gone"))
        return
    live.live(_progress, alive=job.lives)
    if job.state == "completed":
        quality_figures.draw(seen, job)


def _test_set(seen: View) -> Callable[[], Judged] | None:
    """What reads the judged queries, once they are there."""
    source = url.choice(
        "knowledge", "set", ("marks", "beir"), lambda c: raw(f"knowledge.set_{c}"),
        raw("knowledge.set"),
    )  # fmt: skip
    return _from_marks(seen) if source == "marks" else _from_files(seen)


def _from_marks(seen: View) -> Callable[[], Judged] | None:
    with access.reading() as session:
        judged = marks.as_test_set(marks.marks(session, seen.base.id))
    relevant = sum(1 for gains in judged.values() if any(gain > 0 for gain in gains.values()))
    if not relevant:
        st.caption(t("knowledge.no_marks"))
        return None
    st.caption(t("knowledge.marked", n=relevant))
    found = Judged({query: query for query in judged}, judged, 0)
    return lambda: found


def _from_files(seen: View) -> Callable[[], Judged] | None:
    left, right = st.columns(2)
    queries = left.file_uploader(
        t("knowledge.queries"), type=["jsonl"], key="beir_queries", max_upload_size=_MOST_MEGABYTES
    )
    qrels = right.file_uploader(
        t("knowledge.qrels"), type=["tsv", "txt"], key="beir_qrels",
        max_upload_size=_MOST_MEGABYTES,
    )  # fmt: skip
    if queries is None or qrels is None:
        return None
    return partial(_read, access.database(), seen.base.name, queries.getvalue(), qrels.getvalue())


def _read(database: Database, kb: str, queries: bytes, qrels: bytes) -> Judged:
    with tempfile.TemporaryDirectory(prefix="promptstone-beir-") as folder:
        paths = Path(folder, "queries.jsonl"), Path(folder, "qrels.tsv")
        for path, content in zip(paths, (queries, qrels), strict=True):
            path.write_bytes(content)
        return read_judged(database, kb, *paths)


def _settings(seen: View) -> dict[str, SearchSettings]:
    """What is measured, by name. Raises Invalid."""
    what = url.choice(
        "knowledge", "what", ("modes", "settings"), lambda c: raw(f"knowledge.what_{c}"),
        raw("knowledge.what"),
    )  # fmt: skip
    own = saved_settings(seen.base)
    if what == "modes":
        return {
            raw(f"knowledge.mode_{mode}"): own.model_copy(update={"mode": mode})
            for mode in search_fields.MODES
        }
    found: dict[str, SearchSettings] = {}
    for side, name in zip(search_fields.SIDES, ("A", "B"), strict=True):
        st.caption(plain(name))
        settings = search_fields.draw(side, own)
        found[f"{name} · {search_fields.spelled(settings)}"] = settings
    return found


def _start(seen: View, settings: Mapping[str, SearchSettings], judge: Callable[[], Judged]) -> None:
    made = measuring.start(context.current().searcher, seen.base.name, settings, judge)
    url.put(job=made.id, base=None, against=None)


def _progress() -> bool:
    job = measuring.find(url.get("job") or "", url.get("id") or "")
    if job is None:
        return False
    if job.lives:
        _line(job)
    elif job.error is not None:
        st.error(plain(job.error), icon=":material/error:")
    elif job.state == "cancelled":
        st.caption(t("runs.state_cancelled"))
    return job.lives


def _line(job: Measurement) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        share = job.done / job.total if job.total else 0.0
        done, total = numbers.count(job.done), numbers.count(job.total)
        st.progress(min(share, 1.0), text=t("knowledge.measured", done=done, total=total))
        st.button(
            t("knowledge.cancel"), key="quality_cancel", icon=":material/stop:",
            on_click=job.cancelled.set,
        )  # fmt: skip
