"""Which arm is better, in words first; then the picture, the figures and what decides."""

import streamlit as st

from app.telling import findings
from app.telling.points import Point
from app.workspace.components import (
    access,
    attention,
    charts,
    corrected,
    deciding,
    numbers,
    sentences,
    slices,
    table,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import runs_app
from evalsets.runs.manifest import Manifest
from evalsets.runs.service import get_run
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.words import MOST_EXTENSIONS, Word
from evalsets.verdicts import service as verdicts
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.service import RunVerdict

_PAIR = ("pair", "way", "against")


def draw(run_id: str) -> None:
    with access.shown_errors():
        read = _read(run_id)
        access.act(lambda session: (verdicts.record_look(session, read), True))
        for comparison in read.comparisons:
            _say(run_id, read, comparison)
        for note in sentences.notes(read):
            st.caption(plain(note))
        attention.example_run(run_id)
        _charts(read)
        _table(read)
        corrected.position(read.position, read.unscored_pairs)
        corrected.draw(read.corrected)
        _explain(run_id, read)


def _read(run_id: str) -> RunVerdict:
    with access.reading() as session:
        manifest = Manifest.model_validate(get_run(session, run_id).manifest)
    arms = [arm.name for arm in manifest.arms]
    figures = [LABEL, *(one.name for one in manifest.evaluators if not one.spec.get("turned"))]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        base = url.select("verdict", "base", arms, t("verdict.baseline"), clears=_PAIR)
        by = url.select("verdict", "by", figures, t("verdict.by"), _figure, clears=_PAIR)
    with access.reading() as session:
        return verdicts.verdict(session, run_id, baseline=base if url.get("base") else None, by=by)


def _figure(name: str) -> str:
    return raw("verdict.labels") if name == LABEL else name


def _say(run_id: str, read: RunVerdict, comparison: Comparison) -> None:
    with st.container(border=True, key=f"verdict_{comparison.candidate}"):
        word, color, icon = sentences.badge(comparison)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(plain(word), color=color, icon=icon)  # type: ignore[arg-type]
            st.caption(
                t("verdict.pair", candidate=comparison.candidate, baseline=comparison.baseline)
            )
            st.space("stretch")
            _offer(run_id, read, comparison)
        st.subheader(plain(sentences.headline(comparison, read.by)), anchor=False)
        st.text(sentences.evidence(comparison))


def _offer(run_id: str, read: RunVerdict, comparison: Comparison) -> None:
    """The next step that this word calls for."""
    if comparison.verdict in (Word.CANDIDATE, Word.BASELINE):
        won = comparison.verdict is Word.CANDIDATE
        arm = comparison.candidate if won else comparison.baseline
        best = next((one.arm for one in read.arms if one.rank == 1), None)
        st.button(
            t("verdict.promote"), type="primary" if arm == best else "secondary",
            icon=":material/verified:", key=f"promote_{comparison.candidate}", on_click=url.put,
            kwargs={"do": "promote", "arm": arm},
        )  # fmt: skip
        runs_app.offer(arm, key=f"app_{comparison.candidate}")
    elif comparison.verdict is Word.TOO_FEW and read.by == LABEL:
        plan = read.plan
        left = comparison.candidate_counts.unlabeled + comparison.baseline_counts.unlabeled
        if left and plan is not None and plan.complete and plan.sequence < MOST_EXTENSIONS:
            st.button(
                t("verdict.extend"), key=f"extend_{comparison.candidate}", on_click=_extend,
                args=(run_id,),
            )  # fmt: skip


def _extend(run_id: str) -> None:
    queue = access.act(lambda session: verdicts.extend_on_too_few(session, run_id))
    if queue is not None:
        url.leave("label", queue=queue.id)


def _charts(read: RunVerdict) -> None:
    arms = [arm.arm for arm in read.arms]
    shares = [
        Point(
            a.arm, a.share, a.ci95.low, a.ci95.high,
            charts.share_text(a.arm, a.share, a.ci95, a.n),
        )
        for a in read.arms
        if a.share is not None and a.ci95 is not None and 0 <= a.ci95.low <= a.ci95.high <= 1
    ]  # fmt: skip
    differences = [
        Point(
            c.candidate, c.difference, c.difference_ci95.low, c.difference_ci95.high,
            f"{c.candidate}   {numbers.difference(c.difference, c.difference_ci95)}",
        )
        for c in read.comparisons
        if c.need is not None and c.difference is not None and c.difference_ci95 is not None
    ]  # fmt: skip
    left, right = st.columns(2, gap="large")
    if shares:
        with left:
            st.caption(t("verdict.chart_shares"))
            charts.shares(shares, arms, findings.shares(raw, shares))
    if differences:
        with right if shares else left:
            st.caption(t("verdict.chart_differences", baseline=read.baseline))
            charts.differences(differences, arms, findings.differences(raw, read.comparisons))


def _table(read: RunVerdict) -> None:
    rows = [
        {
            "arm": arm.arm,
            "share": numbers.arm_share(arm),
            "good": numbers.MISSING if arm.good is None else arm.good,
            "skipped": arm.counts.skipped,
            "unlabeled": arm.counts.unlabeled,
            "failed": arm.counts.failed,
        }
        for arm in sorted(read.arms, key=lambda one: one.rank or 99)
    ]
    columns = ("arm", "share", "good", "skipped", "unlabeled", "failed")
    table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("verdict.shares_table"))
    if not any(one.verdict in (Word.CANDIDATE, Word.BASELINE) for one in read.comparisons):
        runs_app.offer(read.baseline, key="app_of_any")
    if read.by == LABEL and any(arm.good is not None and arm.good < arm.n for arm in read.arms):
        st.button(
            t("verdict.improve"), key="verdict_improve", icon=":material/auto_fix_high:",
            type="tertiary", on_click=url.put, kwargs={"tab": "improve"},
        )  # fmt: skip
    rows = [
        {
            "arm": f"{one.candidate} – {one.baseline}",
            "difference": numbers.gap(one),
            "p": numbers.p_value(one.p_adjusted),
            "pairs": one.n_pairs,
            "only_candidate": _count(one.only_candidate),
            "only_baseline": _count(one.only_baseline),
            "both": _count(one.both),
            "neither": _count(one.neither),
            "method": raw(f"verdict.method_{one.method}"),
        }
        for one in read.comparisons
    ]
    columns = (
        "arm", "difference", "p", "pairs", "only_candidate", "only_baseline", "both", "neither",
        "method",
    )  # fmt: skip
    table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("verdict.table"))


def _count(value: float | None) -> str:
    return numbers.MISSING if value is None else f"{value:g}"


def _explain(run_id: str, read: RunVerdict) -> None:
    found = deciding.explained(run_id, read)
    if found is None or not read.comparisons:
        return
    cells, values = found

    @st.fragment
    def shown() -> None:
        deciding.draw(cells, values, read)

    slices.draw(cells, values)
    shown()
