"""What changed since another run over the same data set: arm by arm, then case by case."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from app.telling import findings
from app.telling.points import Point
from app.workspace.components import (
    access,
    charts,
    navigation,
    numbers,
    pairs,
    table,
    url,
)
from app.workspace.components.pairs import Place
from app.workspace.strings import raw, t
from evalsets.models import Run
from evalsets.runs.cells import arm_names
from evalsets.runs.service import get_run
from evalsets.verdicts.between_runs import (
    ArmChange,
    BetweenRuns,
    CellChange,
    compare_runs,
    figures_of_both,
    runs_beside,
)
from evalsets.verdicts.looks import LABEL

MOST = 50
_CLEARED = ("pair", "way")
WAYS = ("worse", "better")


def draw(run_id: str) -> None:
    with access.shown_errors():
        with access.reading() as session:
            others = {one.id: one for one in runs_beside(session, get_run(session, run_id))}
        if not others:
            st.caption(t("compare.none"))
            return
        found = _read(run_id, others)
        st.caption(t("compare.direction"))
        _notes(found)
        _table(found)
        _chart(found)
        _changes(found)


def _read(run_id: str, others: dict[str, Run]) -> BetweenRuns:
    older = [one for one in others if one < run_id]
    order = [*older, *(one for one in others if one not in older)]

    def named(one: str) -> str:
        run = others[one]
        title = run.title or f"{run.dataset}@{run.dataset_version}"
        return f"{title} · {numbers.ago(run.created_at)} · {one[-6:]}"

    with st.container(horizontal=True, vertical_alignment="bottom"):
        other = url.select("compare", "with", order, t("compare.with"), named, clears=_CLEARED)
        with access.reading() as session:
            names = figures_of_both(session, other, run_id)
            found = compare_runs(
                session, other, run_id, url.get("by") if url.get("by") in names else None
            )
        ordered = [found.by, *(name for name in names if name != found.by)]
        url.select("compare", "by", ordered, t("verdict.by"), _figure, clears=_CLEARED)
        url.link("runs", t("compare.open"), navigation.ICONS["runs"], id=other)
    return found


def _figure(name: str) -> str:
    return raw("verdict.labels") if name == LABEL else name


def _notes(found: BetweenRuns) -> None:
    st.text(
        raw(
            "compare.cases", both=numbers.count(found.cases),
            before=numbers.count(found.cases_only_before),
            after=numbers.count(found.cases_only_after),
        )
    )  # fmt: skip
    if found.only_before:
        st.text(raw("compare.only_before", arms="; ".join(found.only_before)))
    if found.only_after:
        st.text(raw("compare.only_after", arms="; ".join(found.only_after)))
    if found.evaluator_changed:
        st.text(raw("compare.evaluator_changed", name=found.by))


def _table(found: BetweenRuns) -> None:
    rows = [_row(one) for one in found.arms]
    columns = (
        "arm",
        "was",
        "now",
        "difference",
        "p",
        "pairs",
        "worse",
        "gained",
        "latency",
        "cost",
    )
    table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("compare.table"))


def _row(one: ArmChange) -> dict[str, object]:
    told, renamed = one.comparison, one.before.arm != one.name
    spans = [numbers.span(side.latency_ms.p50) for side in (one.before, one.after)]
    return {
        "arm": f"{one.before.arm} → {one.name}" if renamed else one.name,
        "was": numbers.arm_share(one.before_share),
        "now": numbers.arm_share(one.after_share),
        "difference": numbers.gap(told),
        "p": numbers.p_value(told.p_adjusted),
        "pairs": told.n_pairs,
        "worse": len(one.worse),
        "gained": len(one.better),
        "latency": _moved(*spans),
        "cost": _moved(numbers.money(one.before.cost), numbers.money(one.after.cost)),
    }  # fmt: skip


def _moved(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def _chart(found: BetweenRuns) -> None:
    arms = arm_names(found.after)
    points = [
        Point(
            one.name, told.difference, told.difference_ci95.low, told.difference_ci95.high,
            f"{one.name}   {numbers.difference(told.difference, told.difference_ci95)}",
        )
        for one in found.arms
        if (told := one.comparison).need is not None
        and told.difference is not None
        and told.difference_ci95 is not None
    ]  # fmt: skip
    if points:
        st.caption(t("compare.chart"))
        named = [
            replace(one.comparison, candidate=one.name, baseline=raw("compare.before"))
            for one in found.arms
        ]
        charts.differences(points, arms, findings.differences(raw, named))


def _changes(found: BetweenRuns) -> None:
    counts = {
        "worse": sum(len(one.worse) for one in found.arms),
        "better": sum(len(one.better) for one in found.arms),
    }
    st.subheader(t("compare.changes"), anchor=False)
    if not any(counts.values()):
        st.caption(t("compare.no_changes"))
        return

    @st.fragment
    def shown() -> None:
        way = url.choice(
            "compare", "way", WAYS, lambda code: raw(f"compare.way_{code}", n=counts[code]),
            raw("compare.changes"), clears=("pair",),
        )  # fmt: skip
        cells = [
            cell for one in found.arms for cell in (one.worse if way == "worse" else one.better)
        ]
        _listed(found, way, cells)

    shown()


def _listed(found: BetweenRuns, way: str, cells: Sequence[CellChange]) -> None:
    if not cells:
        st.caption(t("compare.no_changes"))
        return
    rows = [
        {
            "case": cell.case_id,
            "repeat": cell.repeat,
            "arm": cell.arm,
            "was": pairs.value(cell.before, found.by),
            "now": pairs.value(cell.after, found.by),
        }
        for cell in cells[:MOST]
    ]
    repeated = max(found.before.repeats, found.after.repeats) > 1
    columns = ("case", *(("repeat",) if repeated else ()), "arm", "was", "now")
    titles = raw("compare.before"), raw("compare.after")
    both = [
        (
            Place(found.before.id, cell.before_cell, titles[0]),
            Place(found.after.id, cell.after_cell, titles[1]),
        )
        for cell in cells[:MOST]
    ]
    headers = {c: raw(f"columns.{c}") for c in columns}
    pairs.listed(f"compare_{way}_{len(cells)}", rows, headers, both, raw("compare.changes"))
    if len(cells) > MOST:
        st.caption(t("verdict.decides_more", n=numbers.count(len(cells)), shown=MOST))
