"""Evaluators frozen for a run: their whole settings, and a judge with its prompt and model."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from core.errors import Invalid
from core.names import split_ref
from evalsets.evaluators.kinds import JUDGES, AnyJudge, Evaluator
from evalsets.evaluators.own import Python
from evalsets.evaluators.own_files import hash_of, source_of
from evalsets.evaluators.pairwise import TURNED, Pairwise
from evalsets.evaluators.specs import load_evaluator, named, parse_evaluator
from evalsets.runs.manifest import FrozenEvaluator, FrozenJudge, FrozenModel, find_model
from prompts import service as prompts


def freeze_evaluators(
    session: Session, specs: Sequence[str | Mapping[str, Any]], models: Sequence[FrozenModel]
) -> tuple[FrozenEvaluator, ...]:
    """Every evaluator as it is now; `models` are those of the run, one of which may judge."""
    parsed = [
        parse_evaluator(spec) if isinstance(spec, str) else load_evaluator(spec) for spec in specs
    ]
    return tuple(
        _freeze(session, one, models) for found in named(parsed) for one in in_orders(found)
    )


def in_orders(one: Evaluator) -> tuple[Evaluator, ...]:
    """A judge of pairs is asked in both orders, each under a name of its own."""
    if not isinstance(one, Pairwise):
        return (one,)
    turned = {"turned": True, "name": f"{one.name}{TURNED}"}
    return one.model_copy(update={"turned": False}), one.model_copy(update=turned)


def _freeze(
    session: Session, settings: Evaluator, models: Sequence[FrozenModel]
) -> FrozenEvaluator:
    if isinstance(settings, Python):
        settings = settings.model_copy(update={"sha256": hash_of(source_of(settings.file))})
    judge = _freeze_judge(session, settings, models) if isinstance(settings, JUDGES) else None
    return FrozenEvaluator(
        name=settings.name or settings.kind,
        spec=settings.model_dump(mode="json", exclude_none=True),
        judge=judge,
    )


def _freeze_judge(session: Session, judge: AnyJudge, models: Sequence[FrozenModel]) -> FrozenJudge:
    if judge.model is None and len({model.name for model in models}) != 1:
        raise Invalid(
            "The judge does not know which model to ask. Name its model in the evaluator.",
            param="evaluator",
        )
    model = models[0] if judge.model is None else find_model(session, judge.model)
    if judge.prompt is None:
        return FrozenJudge(prompt=judge.content(), prompt_name=judge.kind, model=model)
    found = prompts.get(session, *split_ref(judge.prompt))
    return FrozenJudge(
        prompt=found.content, prompt_name=found.name, prompt_version=found.version, model=model
    )
