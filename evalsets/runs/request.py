"""What to run: references resolved, everything frozen, and stored with all its cells."""

from decimal import Decimal
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlmodel import Session

from core.errors import Invalid
from core.names import split_ref
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import split_counts
from evalsets.runs.arm_names import is_app
from evalsets.runs.arms import build_arms, each_once
from evalsets.runs.bindings import bound, parse_binding
from evalsets.runs.evaluation import freeze_evaluators
from evalsets.runs.grounding import Grounding, freeze_bases, grounded
from evalsets.runs.judged_pairs import check_pairs
from evalsets.runs.listed import (
    FreezeApps,
    Reading,
    freeze_apps_with,
    freeze_listed,
    freeze_prompt,
)
from evalsets.runs.manifest import Manifest, find_model
from evalsets.runs.priced import check_judges_priced, check_priced

MAX_CELLS = 2_000_000


class RunRequest(BaseModel):
    """What to run. `prompts` are NAME[@REF], `dataset` is NAME[@VERSION].

    `arms` are arms one by one, each by its name (`evalsets.runs.arm_names`). They come first and
    say all themselves: `params`, `kb` and `retrieval` are of prompts and models alone. A parameter
    that is given more than once makes an arm for each value. `mapping` holds
    `[PROMPT:]VARIABLE=COLUMN`. `evaluators` are kinds, `kind:argument`, or settings as in a file.
    `kb` are NAME[@SNAPSHOT], `retrieval` fields of SearchSettings: each base and each value of a
    field that is given more than once makes an arm of every prompt that has the variable `context`.
    `query` is the variable searched by, `subject` (user:NAME) whose access rules apply. `apps` are
    published apps, APP[@REF], each an arm of its own. `split` takes the cases of one split alone.
    `budget` is the run's total in US dollars, `judge_budget` the part that judges may spend of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arms: tuple[str, ...] = ()
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
        some = self.arms or self.prompts or self.apps
        if bool(self.prompts) != bool(self.models) or not some:
            raise ValueError("a run needs a prompt and a model, or an app, or an arm")
        return self

    @property
    def names_apps(self) -> bool:
        """Whether it takes somebody who can freeze apps."""
        return bool(self.apps) or any(map(is_app, self.arms))


class Draft(NamedTuple):
    """A run with all references resolved, not yet stored.

    The first arms of the manifest are those that were `listed`, each with what it reads.
    """

    manifest: Manifest
    dataset: str
    version: int
    version_id: int
    cases: int
    grounding: Grounding
    listed: tuple[Grounding | None, ...]


def resolve(session: Session, request: RunRequest, freeze_apps: FreezeApps | None = None) -> Draft:
    """Freeze everything that the request names; `fit` then gives the arms their passages."""
    dataset = datasets.get(session, *split_ref(request.dataset))
    _check_options(request)
    reading = Reading(request.query, request.context, request.subject)
    listed = [freeze_listed(session, text, reading, freeze_apps) for text in request.arms]
    frozen = [freeze_prompt(session, ref) for ref in request.prompts]
    models = [find_model(session, name) for name in request.models]
    arms = [
        *(one.arm for one in listed),
        *build_arms(frozen, models, request.params),
        *freeze_apps_with(freeze_apps, session, request.apps),
    ]
    asked = [arm.model for arm in arms if arm.model is not None and arm.app is None]
    manifest = Manifest(
        arms=bound(arms, [parse_binding(text) for text in request.mapping]),
        evaluators=freeze_evaluators(session, request.evaluators, asked),
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
    reads = tuple(one.reads for one in listed)
    draft = Draft(
        manifest, dataset.name, dataset.version, dataset.version_id, cases, grounding, reads
    )
    _check_size(draft)
    check_priced(manifest, request.budget)
    check_judges_priced(manifest, request.judge_budget)
    return draft


def _check_options(request: RunRequest) -> None:
    """Refuse what would hold for prompts and models where there are only arms."""
    if not request.arms or request.prompts:
        return
    options = (
        ("param", request.params, "temperature=0"),
        ("kb", request.kb, "kb=docs"),
        ("retrieval", request.retrieval, "kb=docs | top_k=4"),
    )
    for option, given, example in options:
        if given:
            raise Invalid(
                f"--{option} belongs to --prompt and --model. Write it into each arm, as "
                f"'news@2 | demo | {example}'.",
                param=option,
            )


def fit(draft: Draft) -> Draft:
    """The draft with an arm for every base and search setting; looks into templates.

    So it stays outside of transactions. Raises Invalid when no prompt takes passages, and for an
    arm that is listed twice.
    """
    arms = draft.manifest.arms
    n = len(draft.listed)
    others = grounded(arms[n:], draft.grounding)
    listed = [
        arm if reads is None else grounded([arm], reads)[0]
        for arm, reads in zip(arms[:n], draft.listed, strict=True)
    ]
    arms = each_once(listed, others) if listed else others
    whole = draft._replace(manifest=draft.manifest.model_copy(update={"arms": arms}), listed=())
    _check_size(whole)
    check_pairs(whole.manifest)
    return whole


def _count(session: Session, dataset: datasets.DatasetPublic, split: str | None) -> int:
    if split is None:
        return dataset.cases
    return split_counts(session, dataset.version_id).get(split, 0)


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
