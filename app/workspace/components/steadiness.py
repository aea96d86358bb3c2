"""How steady the arms of a run with repeats are: pass@k, pass^k and flicker, with intervals."""

import streamlit as st

from app.telling.points import Point
from app.workspace.components import access, charts, numbers, table
from app.workspace.strings import raw, t
from evalsets.models import Run
from evalsets.runs.cells import arm_names
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.steadiness import Steadiness, steadiness


def draw(run: Run) -> None:
    """Nothing for a run without repeats, or before something tells good from bad."""
    if run.repeats < 2:
        return
    with access.reading() as session:
        found = steadiness(session, run.id)
    listed = [
        (arm, one) for arm, by in zip(arm_names(run), found, strict=True) for one in by.values()
    ]
    if not listed:
        return
    st.subheader(t("runs.steadiness"), anchor=False)
    st.caption(t("runs.steadiness_why"))
    columns = ("arm", "by", "k", "cases", "pass_at", "pass_hat", "flicker", "two_disagree")
    table.still(
        [_row(arm, one) for arm, one in listed], {c: raw(f"columns.{c}") for c in columns},
        alt=raw("runs.steadiness"),
    )  # fmt: skip
    first = listed[0][1].by
    _picture(run, [(arm, one) for arm, one in listed if one.by == first])


def _row(arm: str, one: Steadiness) -> dict[str, object]:
    deepest = one.deepest
    return {
        "arm": arm,
        "by": raw("verdict.labels") if one.by == LABEL else one.by,
        "k": deepest.k,
        "cases": deepest.n_cases,
        "pass_at": numbers.between(deepest.pass_at_k, deepest.pass_at_k_ci95),
        "pass_hat": numbers.between(deepest.pass_hat_k, deepest.pass_hat_k_ci95),
        "flicker": numbers.between(one.flicker.flicker, one.flicker.ci95),
        "two_disagree": numbers.percent(one.flicker.two_disagree),
    }


def _picture(run: Run, arms: list[tuple[str, Steadiness]]) -> None:
    """pass^k at the left, flicker at the right, of the first figure."""
    left, right = st.columns(2, gap="large")
    names = arm_names(run)
    with left:
        points = [
            Point(arm, value, ci95.low, ci95.high, f"{arm}   {numbers.between(value, ci95)}")
            for arm, one in arms
            if (value := one.deepest.pass_hat_k) is not None
            and (ci95 := one.deepest.pass_hat_k_ci95) is not None
        ]
        if points:
            st.caption(t("runs.chart_pass", k=arms[0][1].deepest.k))
            charts.shares(points, names, "; ".join(point.text for point in points))
    with right:
        points = [
            Point(arm, value, ci95.low, ci95.high, f"{arm}   {numbers.between(value, ci95)}")
            for arm, one in arms
            if (value := one.flicker.flicker) is not None and (ci95 := one.flicker.ci95) is not None
        ]
        if points:
            st.caption(t("runs.chart_flicker"))
            charts.shares(points, names, "; ".join(point.text for point in points))
