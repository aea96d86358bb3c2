"""An evaluator's scores once people's labels correct them: never without what that rests on."""

import streamlit as st

from app.workspace.components import judge_agreement, numbers, sentences, table
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from evalsets.statistics.preference import PositionOfJudge
from evalsets.verdicts.corrected import LEAST_LABELED, Corrected


def position(found: PositionOfJudge | None, unscored: int) -> None:
    """How far a judge of pairs went by the place of an answer."""
    if found is None:
        return
    if found.position_bias is not None and found.position_bias_ci95 is not None:
        low, high = (f"{100 * edge:+.0f}" for edge in found.position_bias_ci95)
        st.caption(
            t(
                "corrected.position",
                changed=f"{100 * (found.inconsistent or 0):.0f}",
                n=found.n,
                bias=f"{100 * found.position_bias:+.0f}",
                low=low,
                high=high,
            )
        )
    if unscored:
        st.caption(t("corrected.unscored_pairs", n=numbers.count(unscored)))


def draw(found: Corrected | None) -> None:
    """A row an arm, the differences, and how far the evaluator agrees with people."""
    if found is None or not any(arm.n_labeled for arm in found.arms):
        return
    st.subheader(t("corrected.title"), anchor=False)
    judge_agreement.line(found.agreement)
    rows = [
        {
            "arm": arm.arm,
            "share": numbers.MISSING
            if arm.share is None or arm.ci95 is None
            else numbers.share(arm.share, arm.ci95, arm.n_judged),
            "unscored": numbers.count(arm.unscored) if arm.unscored else numbers.MISSING,
            "rests_on": judge_agreement.rests_on(arm),
        }
        for arm in found.arms
    ]
    columns = ("arm", "share", "unscored", "rests_on")
    table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("corrected.title"))
    for one in found.comparisons:
        if one.verdict is None or one.n_cases < LEAST_LABELED or one.difference_ci95 is None:
            continue
        low, high = (f"{100 * edge:+.0f}" for edge in one.difference_ci95)
        said = raw(
            "corrected.difference",
            candidate=one.candidate,
            baseline=one.baseline,
            points=f"{100 * (one.difference or 0):+.0f}",
            low=low,
            high=high,
            word=sentences.badge(one)[0],
        )
        st.caption(plain(said))
