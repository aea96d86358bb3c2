"""Evaluators that need no model: each is its settings plus `score`.

A new one is a class here and its name in `Evaluator`; form, JSON, flags and help derive from it.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from evalsets.evaluators.checks import Checks
from evalsets.evaluators.grounded import Cites, ContextRecall, Refused
from evalsets.evaluators.grounded_judges import AnswerRelevance, Faithfulness
from evalsets.evaluators.judge import Judge
from evalsets.evaluators.overlap import Bleu, Chrf, Rouge
from evalsets.evaluators.own import Python
from evalsets.evaluators.pairwise import Pairwise
from evalsets.evaluators.patterns import PatternError, check_pattern, find
from evalsets.evaluators.schema_check import check_schema, violation
from evalsets.evaluators.similarity import Similarity
from evalsets.evaluators.structures import JsonPath, ToolCall
from evalsets.evaluators.subjects import EvaluatorSettings, Score, Subject, passed, unscored
from prompts.fields import JsonObject

_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n\s*```\s*", re.DOTALL)
NO_EXPECTED = "the case has no expected output"

CaseFlag = Annotated[bool, Field(description="Whether upper and lower case differ.")]


class Exact(EvaluatorSettings):
    """1 when the output equals the expected text."""

    kind: Literal["exact"] = "exact"
    value: str | None = Field(
        default=None, description="What to equal; the case's expected output if left out."
    )
    case: CaseFlag = True
    strip: bool = Field(default=True, description="Whether spaces around the texts are ignored.")

    def score(self, subject: Subject) -> Score:
        """Unscored without an expected text."""
        wanted = subject.expected if self.value is None else self.value
        if wanted is None:
            return unscored(NO_EXPECTED)
        equal = self._plain(subject.output) == self._plain(wanted)
        return passed(equal, "equal" if equal else f"differs from {wanted[:200]!r}")

    def _plain(self, text: str) -> str:
        text = text.strip() if self.strip else text
        return text if self.case else text.casefold()


class Contains(EvaluatorSettings):
    """1 when the output contains the expected text."""

    kind: Literal["contains"] = "contains"
    value: str | None = Field(
        default=None, description="What to look for; the case's expected output if left out."
    )
    case: CaseFlag = True

    def score(self, subject: Subject) -> Score:
        """Unscored without a text to look for."""
        wanted = subject.expected if self.value is None else self.value
        if not wanted:
            return unscored(NO_EXPECTED if wanted is None else "the expected output is empty")
        output = subject.output if self.case else subject.output.casefold()
        found = (wanted if self.case else wanted.casefold()) in output
        return passed(found, f"{'contains' if found else 'lacks'} {wanted[:200]!r}")


class Regex(EvaluatorSettings):
    """1 when a regular expression is found in the output."""

    kind: Literal["regex"] = "regex"
    pattern: str | None = Field(
        default=None, description="Python syntax; the case's expected output if left out."
    )
    case: CaseFlag = True
    whole: bool = Field(default=False, description="Whether all of the output must match.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            check_pattern(pattern)
        return pattern

    def score(self, subject: Subject) -> Score:
        """Unscored without a pattern, or when the search takes longer than 0.25 s."""
        pattern = subject.expected if self.pattern is None else self.pattern
        if pattern is None:
            return unscored(NO_EXPECTED)
        try:
            found = find(pattern, subject.output, ignore_case=not self.case, whole=self.whole).text
        except PatternError as error:
            return unscored(f"the expected output is {error}")
        except TimeoutError:
            return unscored("the search took too long; simplify the pattern")
        return passed(found is not None, "no match" if found is None else f"found {found[:200]!r}")


class JsonSchema(EvaluatorSettings):
    """1 when the output is JSON that fits a schema."""

    kind: Literal["json_schema"] = "json_schema"
    definition: JsonObject | None = Field(
        default=None, description="The JSON schema; the prompt's own `outputs` if left out."
    )
    fenced: bool = Field(
        default=False, description="Whether JSON inside one ``` fence counts as JSON."
    )

    @field_validator("definition")
    @classmethod
    def _is_schema(cls, schema: JsonObject | None) -> JsonObject | None:
        if schema is not None:
            check_schema(schema)
        return schema

    def score(self, subject: Subject) -> Score:
        """Unscored without a schema, or with one that cannot be checked."""
        schema = subject.schema if self.definition is None else self.definition
        if schema is None:
            return unscored("neither the evaluator nor the prompt has a schema")
        fence = _FENCE.fullmatch(subject.output) if self.fenced else None
        try:
            check_schema(schema)
            wrong = violation(fence.group(1) if fence else subject.output, schema)
        except (ValueError, TimeoutError) as error:
            return unscored(f"the schema cannot be checked: {error}")
        return passed(wrong is None, wrong or "fits the schema")


class Length(EvaluatorSettings):
    """How long the output is; 1 or 0 once a bound is given."""

    kind: Literal["length"] = "length"
    unit: Literal["chars", "words", "tokens"] = Field(
        default="chars", description="A Chinese, Japanese or Korean character is a word."
    )
    min: int | None = Field(default=None, ge=0, description="The least that passes.")
    max: int | None = Field(default=None, ge=0, description="The most that passes.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max; swap them")
        return self

    def score(self, subject: Subject) -> Score:
        """The length itself without bounds; unscored when the tokens are not known."""
        count = self._count(subject)
        if count is None:
            return unscored("the tokens of this answer are not known")
        said = f"{count} {self.unit}"
        if self.min is None and self.max is None:
            return Score(float(count), said)
        low, high = self.min or 0, float("inf") if self.max is None else self.max
        return passed(low <= count <= high, said)

    def _count(self, subject: Subject) -> int | None:
        if self.unit == "tokens":
            return subject.output_tokens
        if self.unit == "words":
            return sum(1 for _ in _WORD.finditer(subject.output))
        return len(subject.output)


class Latency(EvaluatorSettings):
    """Milliseconds from request to answer; 1 or 0 once a bound is given."""

    kind: Literal["latency"] = "latency"
    max: float | None = Field(default=None, gt=0, description="Milliseconds that still pass.")

    def score(self, subject: Subject) -> Score:
        """Unscored where it was not measured."""
        if subject.latency_ms is None:
            return unscored("the latency was not measured")
        said = f"{subject.latency_ms:.0f} ms"
        if self.max is None:
            return Score(subject.latency_ms, said)
        return passed(subject.latency_ms <= self.max, said)


class Cost(EvaluatorSettings):
    """US dollars of the answer; 1 or 0 once a bound is given."""

    kind: Literal["cost"] = "cost"
    max: float | None = Field(default=None, ge=0, description="US dollars that still pass.")

    def score(self, subject: Subject) -> Score:
        """Unscored for an unpriced model."""
        if subject.cost is None:
            return unscored("the model is unpriced")
        said = f"${subject.cost:f}"
        if self.max is None:
            return Score(float(subject.cost), said)
        return passed(float(subject.cost) <= self.max, said)


Scorer = (
    Exact
    | Contains
    | Regex
    | JsonSchema
    | JsonPath
    | ToolCall
    | Similarity
    | Rouge
    | Bleu
    | Chrf
    | Length
    | Latency
    | Cost
    | Checks
    | ContextRecall
    | Cites
    | Refused
    | Python
)
"""Evaluators that score by themselves."""

AnyJudge = Judge | Pairwise | Faithfulness | AnswerRelevance
"""Evaluators that need a model's answer first."""

JUDGES = (Judge, Pairwise, Faithfulness, AnswerRelevance)

Evaluator = Annotated[Scorer | AnyJudge, Field(discriminator="kind")]
