"""How an app's releases do in a span of time, each by itself."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import streamlit as st

from app.workspace.components import access, app_charts, keeping, numbers, table
from app.workspace.strings import raw, t
from core.clock import utcnow
from serving.gpu_time import GpuCost, gpu_cost
from serving.judged_shares import JudgedShare, Spent, judge_spent, judged_shares
from serving.lookup import need_app
from serving.quantiles import Quantiles
from serving.service import operations_of
from serving.settings import JudgedSample
from serving.stats import AppStats, ReleaseStats, app_stats
from serving.timeline import Bar, timeline

SPANS = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
COLUMNS = ("release", "calls", "errors", "latency", "ttft", "tokens", "cost", "per_good", "share")


class _Read(NamedTuple):
    stats: AppStats
    bars: list[Bar]
    gpu: GpuCost | None
    judged: Mapping[int, JudgedShare]
    sample: JudgedSample | None
    spent: Spent


def _read(name: str, since: datetime, until: datetime) -> _Read:
    with access.reading() as session:
        stats = app_stats(session, name, since, until)
        return _Read(
            stats,
            timeline(session, name, since, until),
            gpu_cost(session, name, stats),
            judged_shares(session, name, since, until),
            operations_of(need_app(session, name)).judged,
            judge_spent(session, name, until),
        )


def draw(app_id: str, name: str, span: str) -> None:
    """Chart and table."""
    until = utcnow()
    found = keeping.kept(("figures", app_id, span), lambda: _read(name, until - SPANS[span], until))
    if not found.stats.whole.calls:
        st.caption(t("apps.no_calls"))
        return
    app_charts.calls(found.bars)
    headings = {c: raw(f"columns.{c}") for c in COLUMNS} | {"latency": raw("apps.latency")}
    if found.judged:
        headings["judged"] = raw("apps.judged_good")
    table.still(_rows(found), headings, alt=raw("apps.figures"))
    if found.gpu is not None:
        _own(found.gpu)
    if found.sample is not None:
        _sample(found.sample, found.spent)


def _rows(found: _Read) -> list[dict[str, object]]:
    rows = []
    for one in found.stats.releases:
        judged = found.judged.get(one.release or 0)
        share = None if judged is None else numbers.share(judged.share, judged.ci95, judged.n)
        rows.append({**_row(str(one.release), one), "judged": share or numbers.MISSING})
    if len(found.stats.releases) > 1:
        whole = _row(raw("apps.all_releases"), found.stats.whole)
        # Ratings of releases are not mixed: what is better would be hidden by what has more calls.
        rows.append({**whole, "share": numbers.MISSING, "judged": numbers.MISSING})
    return rows


def _row(name: str, one: ReleaseStats) -> dict[str, object]:
    tokens = (one.input_tokens, one.output_tokens)
    return {
        "release": name,
        "calls": numbers.short_count(one.calls),
        "errors": f"{numbers.count(one.errors)} ({one.error_rate or 0:.1%})",
        "latency": _spans(one.latency),
        "ttft": numbers.MISSING if one.ttft is None else numbers.span(one.ttft.p95),
        "tokens": " / ".join(map(numbers.short_count, tokens)),
        "cost": numbers.money(one.cost),
        "per_good": _per_good(one),
        "share": numbers.MISSING
        if one.share is None
        else numbers.share(one.share, one.share_ci95, one.good + one.bad),
    }


def _per_good(one: ReleaseStats | GpuCost) -> str:
    if one.cost_per_good is not None:
        return numbers.money(one.cost_per_good)
    return numbers.MISSING if one.more_than is None else f"> {numbers.money(one.more_than)}"


def _spans(found: Quantiles | None) -> str:
    if found is None:
        return numbers.MISSING
    return " / ".join(map(numbers.span, (found.p50, found.p95, found.p99)))


def _own(found: GpuCost) -> None:
    st.caption(
        t(
            "apps.gpu_cost", busy=numbers.span(found.busy_seconds * 1000),
            busy_usd=numbers.money(found.busy_usd), idle_usd=numbers.money(found.idle_usd),
            per_good=_per_good(found),
        )
    )  # fmt: skip


def _sample(sample: JudgedSample, spent: Spent) -> None:
    budget = numbers.MISSING if sample.budget_day is None else numbers.money(sample.budget_day)
    share = f"{100 * sample.share:g} %"
    money = numbers.money(None if spent.unpriced else spent.usd)
    st.caption(t("apps.judge_line", model=sample.model, share=share, spent=money, budget=budget))
