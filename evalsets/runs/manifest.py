"""What a run froze at its creation, so that it stays true when prompts and models move on."""

from decimal import Decimal
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from connectors.models import ModelSettings
from connectors.prices import Price, price_of
from connectors.service import get_model
from connectors.wire import Target
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
