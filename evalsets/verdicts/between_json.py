"""What changed between two runs, as `promptstone run compare --json` prints it."""

from typing import Any

from evalsets.models import Run
from evalsets.runs.report import arm_json
from evalsets.verdicts.between_runs import ArmChange, BetweenRuns, CellChange
from evalsets.verdicts.figures_json import interval_json


def between_json(found: BetweenRuns) -> dict[str, Any]:
    """One document; a difference is the later run minus the earlier one."""
    return {
        "before": _run(found.before),
        "after": _run(found.after),
        "by": found.by,
        "cases": {
            "both": found.cases,
            "only_before": found.cases_only_before,
            "only_after": found.cases_only_after,
        },
        "arms": [_arm(one) for one in found.arms],
        "only_before": list(found.only_before),
        "only_after": list(found.only_after),
        "evaluator_changed": found.evaluator_changed,
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "title": run.title,
        "dataset": f"{run.dataset}@{run.dataset_version}",
        "status": run.status,
        "created_at": run.created_at.isoformat(),
    }


def _arm(one: ArmChange) -> dict[str, Any]:
    told = one.comparison
    return {
        "arm": one.name,
        "before": arm_json(one.before),
        "after": arm_json(one.after),
        "share_before": one.before_share.share,
        "share_before_ci95": interval_json(one.before_share.ci95),
        "share_after": one.after_share.share,
        "share_after_ci95": interval_json(one.after_share.ci95),
        "n_pairs": told.n_pairs,
        "n_cases": told.n_cases,
        "difference": told.difference,
        "difference_ci95": interval_json(told.difference_ci95),
        "p_value": told.p_value,
        "p_adjusted": told.p_adjusted,
        "method": str(told.method),
        "newly_failing": [_cell(cell) for cell in one.worse],
        "newly_good": [_cell(cell) for cell in one.better],
    }


def _cell(cell: CellChange) -> dict[str, Any]:
    return {name: value for name, value in cell._asdict().items() if name != "arm"}
