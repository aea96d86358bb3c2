"""What to run: references resolved, everything frozen, and stored with all its cells."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlmodel import Session

from core.errors import Invalid
from core.names import split_ref
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import split_counts
from evalsets.runs.evaluation import freeze_evaluators
from evalsets.runs.grounding import Grounding, freeze_bases, grounded
from evalsets.runs.judged_pairs import check_pairs
from evalsets.runs.manifest import (
    Arm,
    FrozenModel,
    FrozenPrompt,
    Manifest,
    bind_apps,
    build_arms,
    find_model,
    parse_binding,
)
from prompts import service as prompts

MAX_CELLS = 2_000_000


class RunRequest(BaseModel):
    """What to run. `prompts` are NAME[@REF], `dataset` is NAME[@VERSION].

    A parameter that is given more than once makes an arm for each value. `mapping` holds
    `[PROMPT:]VARIABLE=COLUMN`. `evaluators` are kinds, `kind:argument`, or settings as in a file.
    `kb` are NAME[@SNAPSHOT], `retrieval` fields of SearchSettings: each base and each value of a
    field that is given more than once makes an arm of every prompt that has the variable `context`.
    `query` is the variable searched by, `subject` (user:NAME) whose access rules apply. `apps` are
    published apps, APP[@REF], each an arm of its own. `split` takes the cases of one split alone.
    `budget` is the run's total in US dollars, `judge_budget` the part that judges may spend of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompts: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    dataset: str
    repeats: int = Field(default=1, ge=1, le=1000)
    limit: int | None = Field(default=None, ge=1)
    split: str | None = Field(default=None, max_length=16)
    params: tuple[tuple[str, Any], ...] = ()
    kb: tuple[str, ...] = ()
    retrieval: tuple[tuple[str, Any], ...] = ()
    query: str | None = None
    context: str = "context"
    subject: str | None = None
    mapping: tuple[str, ...] = ()
    evaluators: tuple[str | dict[str, Any], ...] = ()
    concurrency: int | None = Field(default=None, ge=1, le=1024)
    budget: Decimal | None = Field(default=None, gt=0)
    judge_budget: Decimal | None = Field(default=None, gt=0)
    cache: bool = True
    title: str = ""
    idempotency_key: str | None = None

    @model_validator(mode="after")
    def _has_arms(self) -> Self:
        if bool(self.prompts) != bool(self.models) or not (self.prompts or self.apps):
            raise ValueError("a run needs a prompt and a model, or an app")
        return self


class Draft(NamedTuple):
    """A run with all references resolved, not yet stored."""

    manifest: Manifest
    dataset: str
    version: int
    version_id: int
    cases: int
    grounding: Grounding


FreezeApps = Callable[[Session, Sequence[str]], tuple[Arm, ...]]
"""Arms of published apps by APP[@REF]; apps stand above this floor, so who plans passes this in."""


def resolve(session: Session, request: RunRequest, freeze_apps: FreezeApps | None = None) -> Draft:
    """Freeze everything that the request names; `fit` then gives the arms their passages."""
    dataset = datasets.get(session, *split_ref(request.dataset))
    frozen = [_freeze_prompt(session, ref) for ref in request.prompts]
    models = [find_model(session, name) for name in request.models]
    bindings = [parse_binding(text) for text in request.mapping]
    arms = build_arms(frozen, models, request.params, bindings)
    if request.apps:
        assert freeze_apps is not None, "a run of apps is planned by who can freeze them"
        arms += bind_apps(freeze_apps(session, request.apps), bindings)
    manifest = Manifest(
        arms=arms,
        evaluators=freeze_evaluators(session, request.evaluators, models),
        repeats=request.repeats,
        limit=request.limit,
        split=request.split,
        concurrency=request.concurrency,
        cache=request.cache,
        judge_budget=request.judge_budget,
        dataset_hash=dataset.hash,
    )
    found = _count(session, dataset, request.split)
    cases = min(found, request.limit or found)
    grounding = Grounding(
        freeze_bases(session, request.kb),
        request.retrieval,
        request.query,
        request.context,
        request.subject,
    )
    draft = Draft(manifest, dataset.name, dataset.version, dataset.version_id, cases, grounding)
    _check_size(draft)
    check_priced(manifest, request.budget)
    check_judges_priced(manifest, request.judge_budget)
    return draft


def fit(draft: Draft) -> Draft:
    """The draft with an arm for every base and search setting; looks into templates.

    So it stays outside of transactions. Raises Invalid when no prompt takes passages.
    """
    arms = grounded(draft.manifest.arms, draft.grounding)
    whole = draft._replace(manifest=draft.manifest.model_copy(update={"arms": arms}))
    _check_size(whole)
    check_pairs(whole.manifest)
    return whole


def _count(session: Session, dataset: datasets.DatasetPublic, split: str | None) -> int:
    if split is None:
        return dataset.cases
    return split_counts(session, dataset.version_id).get(split, 0)


def _freeze_prompt(session: Session, text: str) -> FrozenPrompt:
    name, ref = split_ref(text)
    found = prompts.get(session, name, ref)
    return FrozenPrompt(
        name=found.name, version=found.version, hash=found.hash, content=found.content
    )


def _check_size(draft: Draft) -> None:
    cells = draft.cases * len(draft.manifest.arms) * draft.manifest.repeats
    split = draft.manifest.split
    if cells == 0 and split is not None:
        raise Invalid(
            f"{draft.dataset}@{draft.version} has no cases of the split {split[:64]!r}. Give cases "
            "that split, or run all.",
            param="split",
        )
    if cells == 0:
        raise Invalid(f"{draft.dataset} has no cases. Push a file with rows.", param="dataset")
    if cells > MAX_CELLS:
        raise Invalid(
            f"The run would have {cells:,} cells, more than {MAX_CELLS:,}. Use --limit.",
            param="limit",
        )


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
