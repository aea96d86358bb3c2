"""Score by tag and split: a picture with intervals, its numbers beside it, and no words."""

from collections.abc import Sequence

import streamlit as st

from app.telling import findings
from app.telling.points import Point
from app.workspace.components import access, charts, numbers, table
from app.workspace.strings import raw, t
from evalsets.runs.cells import RunCells
from evalsets.statistics.cells import Cells, all_on_unit_scale
from evalsets.verdicts.slices import Slice, slices

DRAWN = 8


def draw(cells: RunCells, values: Sequence[Cells]) -> None:
    """Nothing where no tag and no split parts the cases."""
    with access.reading() as session:
        found = slices(session, cells, values)
    if not found:
        return
    st.subheader(t("verdict.slices"), anchor=False)
    st.caption(t("verdict.slices_why"))
    left, right = st.columns(2, gap="large")
    with left:
        if all_on_unit_scale(values):
            charts.slices(_points(found[:DRAWN]), cells.arms, findings.slices(raw, found))
        st.text(findings.slices(raw, found))
    with right:
        rows = [
            {"part": findings.part_name(raw, one), "cases": one.n_cases, "arm": arm.arm}
            | {"share": numbers.arm_share(arm) if arm.n else numbers.MISSING}
            for one in found
            for arm in one.arms
        ]
        columns = ("part", "cases", "arm", "share")
        headers = {c: raw(f"columns.{c}") for c in columns}
        table.still(rows, headers, alt=findings.slices(raw, found), in_sight=12)


def _points(found: Sequence[Slice]) -> dict[str, list[Point]]:
    return {
        findings.part_name(raw, one): [
            Point(arm.arm, arm.share, *arm.ci95, f"{arm.arm}   {numbers.percent(arm.share)}")
            for arm in one.arms
            if arm.share is not None and arm.ci95 is not None
        ]
        for one in found
    }
