"""What is live, where it is called, and how its releases do."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import streamlit as st

from app.workspace.components import (
    access,
    app_charts,
    endpoint,
    header,
    live,
    numbers,
    publishing,
    table,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from core.clock import utcnow
from core.errors import Conflict
from core.names import split_ref
from serving import aliases
from serving.models import AppAlias
from serving.stats import AppStats, ReleaseStats, app_stats
from serving.timeline import timeline

SPANS = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
COLUMNS = ("release", "calls", "errors", "latency", "ttft", "tokens", "cost", "per_good", "share")


def draw(seen: View) -> None:
    header.lineage(_lineage(seen))
    if seen.app.description:
        st.text(seen.app.description)
    if not seen.app.newest:
        st.caption(t("apps.no_release"))
        return
    _live(seen)
    span = url.choice(
        "apps", "span", list(SPANS), lambda c: raw(f"apps.span_{c}"), raw("apps.calls")
    )
    live.quietly(partial(_figures, seen.name, span), alive=True, every="5s")


def _lineage(seen: View) -> list[partial[None]]:
    settings, origin = seen.settings, seen.app.origin or {}
    name, ref = split_ref(settings.prompt)
    version = None if ref == "latest" else ref
    links = [partial(url.link, "prompts", plain(settings.prompt), ":material/edit_note:", id=name,
                     v=version)]  # fmt: skip
    if settings.knowledge is not None:
        kb = settings.knowledge.kb
        links.append(partial(url.link, "knowledge", plain(kb), ":material/menu_book:", id=kb))
    if "run" in origin:
        arm = plain(origin["arm"])
        links.append(
            partial(url.link, "runs", arm, ":material/grid_on:", id=origin["run"], tab="verdict")
        )
    return links


def _live(seen: View) -> None:
    if not seen.aliases:
        st.caption(t("apps.nothing_live"))
    with st.container(gap="small"):
        for one in seen.aliases:
            _alias(seen, one)
    st.caption(t("apps.endpoint", model=endpoint.model_name(seen)))
    st.code(f"{endpoint.address()}/v1/chat/completions", language=None)


def _alias(seen: View, one: AppAlias) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.text(f"{one.name} → {seen.name}@{one.release}", width="content")
        if one.canary is not None:
            st.badge(
                t("apps.canary_of", percent=one.percent, n=one.canary), color="orange",
                icon=":material/call_split:",
            )  # fmt: skip
        st.space("stretch")
        if publishing.may_publish():
            _buttons(seen, one)


def _buttons(seen: View, one: AppAlias) -> None:
    if one.canary is not None:
        st.button(
            t("apps.canary_all", n=one.canary), key=f"canary_all_{one.name}", on_click=url.put,
            kwargs={"do": "promote", "release": one.canary, "alias": one.name},
        )  # fmt: skip
    target = _target(seen, one)
    if target is not None:
        st.button(
            t("apps.rollback_verb", n=target), key=f"rollback_{one.name}", icon=":material/undo:",
            on_click=url.put, kwargs={"do": "rollback", "alias": one.name},
        )  # fmt: skip
    st.button(
        t("apps.unalias"), key=f"unalias_{one.name}", icon=":material/close:", type="tertiary",
        on_click=url.put, kwargs={"do": "unalias", "alias": one.name},
    )  # fmt: skip


def _target(seen: View, one: AppAlias) -> int | None:
    try:
        with access.reading() as session:
            return aliases.rollback_target(session, seen.name, one.name)
    except Conflict:
        return None


def _figures(name: str, span: str) -> None:
    until = utcnow()
    with access.reading() as session:
        found = app_stats(session, name, until - SPANS[span], until)
        bars = timeline(session, name, until - SPANS[span], until)
    if not found.whole.calls:
        st.caption(t("apps.no_calls"))
        return
    app_charts.calls(bars)
    headings = {c: raw(f"columns.{c}") for c in COLUMNS} | {"latency": raw("apps.latency")}
    table.still(_rows(found), headings, alt=raw("apps.figures"))


def _rows(found: AppStats) -> Sequence[dict[str, object]]:
    rows = [_row(str(one.release), one) for one in found.releases]
    if len(found.releases) > 1:
        rows.append(_row(raw("apps.all_releases"), found.whole))
    return rows


def _row(name: str, one: ReleaseStats) -> dict[str, object]:
    tokens = (one.input_tokens, one.output_tokens)
    per_good = numbers.MISSING if one.cost_per_good is None else numbers.money(one.cost_per_good)
    return {
        "release": name,
        "calls": numbers.short_count(one.calls),
        "errors": f"{numbers.count(one.errors)} ({one.error_rate or 0:.1%})",
        "latency": _spans(one.latency),
        "ttft": numbers.MISSING if one.ttft is None else numbers.span(one.ttft.p95),
        "tokens": " / ".join(map(numbers.short_count, tokens)),
        "cost": numbers.money(one.cost),
        "per_good": per_good,
        "share": numbers.MISSING
        if one.share is None
        else numbers.share(one.share, one.share_ci95, one.good + one.bad),
    }


def _spans(found: object) -> str:
    parts = [getattr(found, name, None) for name in ("p50", "p95", "p99")]
    return numbers.MISSING if found is None else " / ".join(map(numbers.span, parts))
