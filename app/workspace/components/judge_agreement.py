"""How far a judge agrees with people, beside its number and never far from it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.workspace.components import access, numbers
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from evalsets.evaluators.specs import load_evaluator
from evalsets.runs.cells import load_cells
from evalsets.runs.judge_agreement import JudgeAgreement, judge_agreements
from evalsets.statistics.words import RESOLUTION
from evalsets.verdicts.corrected import LEAST_LABELED, PPI, CorrectedArm, corrected


def of_judge(run_id: str, spec: Mapping[str, Any]) -> None:
    """Of this very judge, if the run was scored by it and people labeled what it scored."""
    with access.reading() as session:
        found = judge_agreements(session, run_id)
    mine = [one for one in found if _same(one.evaluator.spec, spec)]
    st.subheader(t("evaluators.agreement"), anchor=False)
    if not mine:
        st.caption(t("evaluators.agreement_unknown"))
    for one in mine:
        line(one)


def lines(run_id: str) -> None:
    """One of every judge of the run, and what people's labels make of its scores."""
    with access.reading() as session:
        found = judge_agreements(session, run_id)
        cells = load_cells(session, run_id) if any(one.good or one.bad for one in found) else None
        shares = [
            corrected(session, cells, one.evaluator.name, cells.arms[0], RESOLUTION)
            if cells is not None
            else None
            for one in found
        ]
    for one, share in zip(found, shares, strict=True):
        line(one)
        for arm in share.arms if share is not None else ():
            if arm.share is not None:
                said = numbers.share(arm.share, arm.ci95, arm.n_judged)
                st.caption(t("corrected.arm", arm=arm.arm, share=said, on=rests_on(arm)))


def rests_on(arm: CorrectedArm) -> str:
    """Which labels stand behind a corrected share, or which are missing."""
    if arm.method == PPI:
        return raw("corrected.by_labels", n=arm.n_labeled, judged=numbers.count(arm.n_judged))
    if arm.method is not None:
        return raw("corrected.by_rates", n=arm.n_labeled)
    if arm.n_labeled < LEAST_LABELED:
        return raw("corrected.too_few", n=LEAST_LABELED - arm.n_labeled)
    return raw("corrected.picked")


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two settings score alike: what they are called does not count."""
    alike = [load_evaluator(spec).model_dump(exclude={"name"}) for spec in (one, other)]
    return alike[0] == alike[1]


def line(one: JudgeAgreement) -> None:
    """Kappa, and how often it finds what people call good and bad, with intervals."""
    rates = one.rates
    if not one.good and not one.bad:
        st.caption(t("evaluators.agreement_none", name=one.evaluator.name))
        return
    kappa = numbers.MISSING if rates.kappa is None else f"{rates.kappa:.2f}"
    said = raw(
        "evaluators.agreement_line",
        name=one.evaluator.name,
        kappa=kappa,
        good=_share(rates.tpr, rates.tpr_ci95, one.good),
        bad=_share(rates.tnr, rates.tnr_ci95, one.bad),
    )
    st.caption(plain(said))
    if one.unscored:
        st.caption(t("evaluators.agreement_unscored", n=numbers.count(one.unscored)))


def _share(value: float | None, ci95: Any, n: int) -> str:
    return numbers.MISSING if value is None else numbers.share(value, ci95, n)
