"""What a run froze at its creation, so that it stays true when prompts and models move on."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import product
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from connectors.models import ModelSettings
from connectors.parameters import refusal_of
from connectors.prices import Price, price_of
from connectors.service import get_model
from connectors.wire import Target
from core.canonical import Json, canonical_json
from core.errors import Invalid
from prompts.content import PromptContent
from rag.answer import Retrieval, asked


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FrozenModel(_Frozen):
    """A model as it was: where it is, its id, its own parameters and its prices.

    Its concurrency, limits, time-out and key are read live from the row of the same name.
    """

    name: str
    settings: ModelSettings

    @cached_property
    def price(self) -> Price | None:
        """What was known of its prices at the start, by hand or from the table; None: unpriced."""
        given, made = self.settings.input_price, self.settings.output_price
        if given is None or made is None:
            return None
        return Price(given, made, "by hand")

    @cached_property
    def target(self) -> Target:
        """Where it is, without key and time-outs: enough for bodies and request keys."""
        settings = self.settings
        return Target(
            name=self.name,
            kind=settings.kind,
            model_id=settings.model,
            base_url=settings.base_url or "",
            provider=settings.provider or "",
            structured=settings.structured,
        )


def freeze_model(name: str, settings: ModelSettings) -> FrozenModel:
    """The model as it is now, its price looked up."""
    price = price_of(settings)
    prices = {
        "input_price": price.input_per_million if price else None,
        "output_price": price.output_per_million if price else None,
    }
    return FrozenModel(name=name, settings=settings.model_copy(update=prices))


def find_model(session: Session, name: str) -> FrozenModel:
    """A model by name, frozen with the prices of now; raises NotFound."""
    return freeze_model(name, get_model(session, name).settings)


class FrozenPrompt(_Frozen):
    """One version of a prompt, whole."""

    name: str
    version: int
    hash: str
    content: PromptContent


class Arm(_Frozen):
    """What is compared: a prompt version on a model with the parameters that are sent.

    An arm of an imported run has a name only. `mapping` is variable to column, where they differ;
    `retrieval` fills a variable with passages of a knowledge base. An arm that is a whole app,
    named by its release, has the prompt as a call fills it, and a model of kind app.
    """

    name: str
    prompt: FrozenPrompt | None = None
    model: FrozenModel | None = None
    params: dict[str, Any] = {}
    mapping: dict[str, str] = {}
    retrieval: Retrieval | None = None
    app: str | None = None

    @cached_property
    def asked(self) -> PromptContent:
        """The prompt as a case fills it: without the variable that holds the passages."""
        assert self.prompt is not None
        content = self.prompt.content
        return content if self.retrieval is None else asked(content, self.retrieval.into)


class FrozenJudge(_Frozen):
    """A judge's prompt and model; asking it is a call of the run like any other."""

    prompt: PromptContent
    prompt_name: str
    prompt_version: int | None = None
    model: FrozenModel


class FrozenEvaluator(_Frozen):
    """An evaluator by the name under which its scores appear; `spec` are its own settings."""

    name: str
    spec: dict[str, Any]
    judge: FrozenJudge | None = None


class Manifest(_Frozen):
    """Everything that a run ran.

    `concurrency` takes the place of every model's own in this run; `cache` says whether answers
    of earlier runs are taken. `judge_budget`, US dollars over all resumes, is the one thing that a
    resume may set anew.
    """

    arms: tuple[Arm, ...]
    evaluators: tuple[FrozenEvaluator, ...] = ()
    repeats: int = 1
    limit: int | None = None
    split: str | None = None
    concurrency: int | None = None
    cache: bool = True
    judge_budget: Decimal | None = None
    dataset_hash: str = ""

    @property
    def judges(self) -> tuple[FrozenEvaluator, ...]:
        return tuple(one for one in self.evaluators if one.judge is not None)


class Binding(_Frozen):
    """`[PROMPT:]VARIABLE=COLUMN`; without a prompt it holds for all."""

    prompt: str | None
    variable: str
    column: str


def parse_binding(text: str) -> Binding:
    """`news:topic=subject` to its parts."""
    left, equals, column = text.partition("=")
    prompt, colon, variable = left.rpartition(":")
    if not (equals and variable and column):
        raise Invalid(
            f"{text!r} is no mapping. Write VARIABLE=COLUMN or PROMPT:VARIABLE=COLUMN.", param="map"
        )
    return Binding(prompt=prompt if colon else None, variable=variable, column=column)


def build_arms(
    prompts: Sequence[FrozenPrompt],
    models: Sequence[FrozenModel],
    params: Sequence[tuple[str, Json]] = (),
    bindings: Sequence[Binding] = (),
) -> tuple[Arm, ...]:
    """Prompts × models × values of the parameters that were given more than once, in that order.

    A parameter wins over the prompt's option, which wins over the model's own. Prompts and models
    named twice count once.
    """
    names = {prompt.name for prompt in prompts}
    for binding in bindings:
        if binding.prompt is not None and binding.prompt not in names:
            raise Invalid(
                f"The mapping names {binding.prompt!r}, which is not in this run. Name one of "
                f"{', '.join(sorted(names))}.",
                param="map",
            )
    once = {(prompt.name, prompt.version): prompt for prompt in prompts}
    return tuple(
        _arm(prompt, model, chosen, bindings)
        for prompt in once.values()
        for model in {model.name: model for model in models}.values()
        for chosen in _choices(params)
    )


def bind_apps(arms: Sequence[Arm], bindings: Sequence[Binding]) -> tuple[Arm, ...]:
    """Arms of apps with the columns that are bound for all prompts, or for the app's own."""
    return tuple(
        arm.model_copy(update={"mapping": _mapping(arm.prompt.name, bindings)})
        for arm in arms
        if arm.prompt is not None
    )


def _mapping(prompt: str, bindings: Sequence[Binding]) -> dict[str, str]:
    mapping = {b.variable: b.column for b in bindings if b.prompt is None}
    return mapping | {b.variable: b.column for b in bindings if b.prompt == prompt}


class _Chosen(_Frozen):
    params: dict[str, Any]
    suffix: str


def _choices(params: Sequence[tuple[str, Json]]) -> list[_Chosen]:
    values: dict[str, list[Json]] = {}
    for key, value in params:
        known = values.setdefault(key, [])
        if value not in known:
            known.append(value)
    differing = [key for key, options in values.items() if len(options) > 1]
    found: list[_Chosen] = []
    for combination in product(*values.values()):
        given = dict(zip(values, combination, strict=True))
        suffix = "".join(f" | {key}={_shown(given[key])}" for key in differing)
        found.append(_Chosen(params=given, suffix=suffix))
    return found


def _shown(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _arm(
    prompt: FrozenPrompt, model: FrozenModel, chosen: _Chosen, bindings: Sequence[Binding]
) -> Arm:
    params: Mapping[str, Any] = {
        **model.settings.params,
        **prompt.content.options,
        **chosen.params,
    }
    why = refusal_of(model.settings.kind, params)
    if why is not None:
        raise Invalid(f"{prompt.name} on {model.name}: {why}", param="param")
    return Arm(
        name=f"{prompt.name}@{prompt.version} | {model.name}{chosen.suffix}",
        prompt=prompt,
        model=model,
        params={key: value for key, value in params.items() if value is not None},
        mapping=_mapping(prompt.name, bindings),
    )
