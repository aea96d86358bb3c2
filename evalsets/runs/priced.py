"""Budgets need prices: refused for whatever has none."""

from collections.abc import Sequence
from decimal import Decimal

from core.errors import Invalid
from evalsets.runs.manifest import FrozenModel, Manifest


def check_priced(manifest: Manifest, budget: Decimal | None) -> None:
    """Refuse a budget for what has no price."""
    if budget is None:
        return
    models = [arm.model for arm in manifest.arms if arm.model is not None]
    _refuse_unpriced([*models, *_judging(manifest)], "budget")


def check_judges_priced(manifest: Manifest, budget: Decimal | None) -> None:
    """Refuse a budget of the judges where there is none, or for what has no price."""
    if budget is None:
        return
    if not manifest.judges:
        raise Invalid(
            "There is no judge whose calls a budget of the judges could bound. Name one with "
            "--evaluator, or start without --judge-budget.",
            param="judge_budget",
        )
    _refuse_unpriced(_judging(manifest), "judge-budget")


def _judging(manifest: Manifest) -> list[FrozenModel]:
    return [one.judge.model for one in manifest.judges if one.judge is not None]


def _refuse_unpriced(models: Sequence[FrozenModel], option: str) -> None:
    unpriced = sorted({model.name for model in models if not model.price})
    if unpriced:
        raise Invalid(
            f"A budget needs prices, and {', '.join(unpriced)} has none. Set --input-price and "
            f"--output-price with `promptstone model add`, or start without --{option}.",
            param=option.replace("-", "_"),
        )
