"""A row an arm, and the pictures of what the table says."""

from typing import Any

import streamlit as st

from app.workspace.components import access, cells, charts, live, numbers, table
from app.workspace.strings import raw, t
from evalsets import report
from evalsets.runs import get_run


def draw(run_id: str) -> None:
    with access.reading() as session:
        alive = get_run(session, run_id).status in ("queued", "running")
    live.live(lambda: _arms(run_id), alive=alive)


def _arms(run_id: str) -> bool:
    with access.reading() as session:
        run = get_run(session, run_id)
        arms = report.run_json(session, run_id)["arms"]
        points = cells.latencies(session, run)
    evaluators = list(dict.fromkeys(name for arm in arms for name in arm["scores"]))
    rows = [_row(arm, evaluators) for arm in arms]
    columns = ("arm", "share", "latency", "cost", "per_good", "tokens", "failed")
    headers = {c: raw(f"columns.{c}") for c in columns}
    table.still(rows, headers | {f"score_{n}": n for n in evaluators}, alt=raw("runs.arms_alt"))
    _charts(arms, points)
    return run.status in ("queued", "running")


def _row(arm: dict[str, Any], evaluators: list[str]) -> dict[str, Any]:
    labels = arm["labels"]
    latency, tokens = arm["latency_ms"] or {}, arm["tokens"]
    spans = [numbers.span(latency.get(name)) for name in ("p50", "p95")]
    row = {
        "arm": arm["arm"],
        "share": numbers.share(
            arm["share_good"], arm["share_good_ci95"], labels["good"] + labels["bad"]
        ),
        "latency": " / ".join(spans),
        "cost": numbers.money(arm["cost_usd"]),
        "per_good": numbers.money(arm["cost_per_good_usd"]) if labels["good"] else numbers.MISSING,
        "tokens": " / ".join(numbers.short_count(tokens[name]) for name in ("input", "output")),
        "failed": arm["failed"] or numbers.MISSING,
    }
    for name in evaluators:
        score = arm["scores"].get(name) or {}
        row[f"score_{name}"] = numbers.score(score.get("mean"), score.get("ci95"))
    return row


def _charts(arms: list[dict[str, Any]], points: list[dict[str, object]]) -> None:
    names = [arm["arm"] for arm in arms]
    known = [
        charts.Point(
            arm["arm"], arm["share_good"], *arm["share_good_ci95"],
            charts.share_text(
                arm["arm"], arm["share_good"], arm["share_good_ci95"],
                arm["labels"]["good"] + arm["labels"]["bad"],
            ),
        )
        for arm in arms
        if arm["share_good"] is not None and arm["share_good_ci95"] is not None
    ]  # fmt: skip
    if not known and not points:
        st.caption(t("runs.charts_none"))
        return
    left, right = st.columns(2, gap="large")
    with left:
        if known:
            st.caption(t("verdict.chart_shares"))
            charts.shares(known, names, "; ".join(point.text for point in known))
        priced = [
            {
                "arm": a["arm"],
                "cost": float(a["cost_usd"]) / a["succeeded"],
                "share": a["share_good"],
            }
            for a in arms
            if a["cost_usd"] and a["share_good"] is not None and a["succeeded"]
        ]
        if len([row for row in priced if row["cost"] > 0]) > 1:
            st.caption(t("runs.chart_cost"))
            charts.cost_quality(priced, names, raw("runs.chart_cost"))
    with right:
        if points:
            st.caption(t("runs.chart_latency"))
            charts.latency(points, names, raw("runs.chart_latency"))
