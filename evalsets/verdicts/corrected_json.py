"""Judges beside people as `verdict --json` and `run show --json` print them; null: no value."""

from typing import Any

from sqlmodel import Session

from evalsets.models import Run
from evalsets.runs.cells import load_cells
from evalsets.runs.judge_agreement import JudgeAgreement
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.words import RESOLUTION
from evalsets.verdicts.corrected import Corrected, CorrectedArm, corrected
from evalsets.verdicts.figures_json import difference_json, interval_json


def judges_json(session: Session, run: Run) -> list[dict[str, Any]]:
    """One entry a judge of the run, in the order of its evaluators."""
    evaluators = run.manifest.get("evaluators") or ()
    asked = [one for one in evaluators if one.get("judge")]
    names = [one["name"] for one in asked if one["spec"].get("kind") != "pairwise"]
    if not names:
        return []
    cells = load_cells(session, run.id)
    found = [(name, corrected(session, cells, name, cells.arms[0], RESOLUTION)) for name in names]
    return [{"evaluator": name, **corrected_json(one)} for name, one in found if one is not None]


def corrected_json(found: Corrected) -> dict[str, Any]:
    """The arms, the comparisons and how far the evaluator agrees with people."""
    return {
        "agreement": _agreement(found.agreement),
        "arms": [_arm(one) for one in found.arms],
        "comparisons": [_comparison(one) for one in found.comparisons],
    }


def _agreement(one: JudgeAgreement) -> dict[str, Any]:
    return {
        "labeled_good": one.good,
        "labeled_bad": one.bad,
        "unscored": one.unscored,
        "kappa": one.rates.kappa,
        "tpr": one.rates.tpr,
        "tpr_ci95": interval_json(one.rates.tpr_ci95),
        "tnr": one.rates.tnr,
        "tnr_ci95": interval_json(one.rates.tnr_ci95),
    }


def _arm(one: CorrectedArm) -> dict[str, Any]:
    return {
        "arm": one.arm,
        "method": one.method,
        "share_good": one.share,
        "ci95": interval_json(one.ci95),
        "n_labeled": one.n_labeled,
        "n_judged": one.n_judged,
        "lam": one.lam,
        "unscored": one.unscored,
        "rests_on": one.rests_on,
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "baseline": one.baseline,
        "candidate": one.candidate,
        "n_labeled": one.n_cases,
        **difference_json(one),
    }
