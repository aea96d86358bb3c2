"""A row an arm, and the pictures of what the table says."""

from collections.abc import Sequence

import streamlit as st

from app.telling import findings
from app.telling.pictures import Curve
from app.telling.points import Point, Priced, pareto
from app.workspace.components import (
    access,
    charts,
    judge_agreement,
    live,
    numbers,
    steadiness,
    table,
)
from app.workspace.strings import raw, t
from evalsets.models import Run
from evalsets.runs import report
from evalsets.runs.latency import latency_points
from evalsets.runs.report import ArmReport
from evalsets.runs.service import get_run


def draw(run_id: str) -> None:
    with access.reading() as session:
        alive = get_run(session, run_id).status in ("queued", "running")
    live.live(lambda: _arms(run_id), alive=alive)


def _arms(run_id: str) -> bool:
    with access.reading() as session:
        run = get_run(session, run_id)
        arms = report.arm_reports(session, run_id)
        took = [latency_points(session, run_id, place) for place in range(len(arms))]
    curves = [Curve(a.arm, points) for a, points in zip(arms, took, strict=True) if points]
    evaluators = list(dict.fromkeys(name for arm in arms for name in arm.scores))
    rows = [_row(run, arm) for arm in arms]
    columns = ("arm", "share", "latency", "cost", "per_good", "tokens", "failed")
    headers = {c: raw(f"columns.{c}") for c in columns}
    table.still(rows, headers | {f"score_{n}": n for n in evaluators}, alt=raw("runs.arms_alt"))
    judge_agreement.lines(run_id)
    _charts(arms, curves)
    steadiness.draw(run)
    return run.status in ("queued", "running")


def _row(run: Run, arm: ArmReport) -> dict[str, str]:
    labels, spans = arm.labels, (arm.latency_ms.p50, arm.latency_ms.p95)
    row = {
        "arm": arm.arm,
        "share": numbers.share(labels.share, labels.ci95, labels.good + labels.bad),
        "latency": " / ".join(map(numbers.span, spans)),
        "cost": numbers.MISSING if run.imported else numbers.money(arm.cost),
        "per_good": numbers.MISSING,
        "tokens": _tokens(run, arm),
        "failed": numbers.count(arm.failed) if arm.failed else numbers.MISSING,
    }
    if labels.good and not run.imported:
        row["per_good"] = numbers.money(arm.cost_per_good.cost_per_good)
    for name, score in arm.scores.items():
        row[f"score_{name}"] = numbers.score(score.mean, score.ci95)
    return row


def _tokens(run: Run, arm: ArmReport) -> str:
    """Of an imported run they are known only where its file told them."""
    if run.imported and not arm.input_tokens and not arm.output_tokens:
        return numbers.MISSING
    return " / ".join(map(numbers.short_count, (arm.input_tokens, arm.output_tokens)))


def _charts(arms: Sequence[ArmReport], curves: Sequence[Curve]) -> None:
    names = [arm.arm for arm in arms]
    known = [_point(arm) for arm in arms if arm.labels.ci95 is not None]
    if not known and not curves:
        st.caption(t("runs.charts_none"))
        return
    left, right = st.columns(2, gap="large")
    with left:
        if known:
            st.caption(t("verdict.chart_shares"))
            charts.shares(known, names, findings.shares(raw, known))
        _cost(arms, names)
    if curves:
        with right if known else left:
            told = findings.latency(raw, arms)
            st.caption(t("runs.chart_latency"))
            charts.latency(curves, names, told)
            st.text(told)


def _point(arm: ArmReport) -> Point:
    labels = arm.labels
    assert labels.share is not None
    assert labels.ci95 is not None
    text = charts.share_text(arm.arm, labels.share, labels.ci95, labels.good + labels.bad)
    return Point(arm.arm, labels.share, labels.ci95.low, labels.ci95.high, text)


def _cost(arms: Sequence[ArmReport], names: Sequence[str]) -> None:
    """The scatter and its numbers; by labels."""
    priced = [
        Priced(a.arm, float(a.cost) / a.succeeded, a.labels.share, *a.labels.ci95)
        for a in arms
        if a.cost and a.labels.share is not None and a.labels.ci95 is not None and a.succeeded
    ]
    if len(priced) < 2:
        return
    best = pareto(priced)
    told = findings.cost(raw, priced, best)
    st.caption(t("runs.chart_cost"))
    charts.cost_quality(priced, names, told)
    st.text(told)
    rows = [
        {
            "arm": one.arm,
            "cost_each": numbers.money(f"{one.cost:.10f}"),
            "share": f"{numbers.percent(one.share)} ({one.low * 100:.0f}–{one.high * 100:.0f})",
            "front": "✓" if one in best else numbers.MISSING,
        }
        for one in priced
    ]
    columns = ("arm", "cost_each", "share", "front")
    table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=told)
