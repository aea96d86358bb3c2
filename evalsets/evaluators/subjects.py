"""What an evaluator is given and what it gives back; unscored is not zero."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from core.canonical import Json

EvaluatorName = Annotated[str, Field(pattern=r"^[\w.\-]+( [\w.\-]+)*$", max_length=64)]
"""Fit for a gate expression and a column: words of letters, digits, `_`, `.` and `-`."""

MAX_REASON = 2_000


class Relevant(NamedTuple):
    """A passage that people marked as relevant for the query; offsets in its document's text."""

    document_id: str
    document: str
    start: int
    end: int


class Passage(NamedTuple):
    """What a model was given to read as [n]."""

    n: int
    document: str
    text: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One answered cell: `latency_ms` in milliseconds, `cost` in US dollars (null: unpriced).

    `schema` is the prompt's own output schema, `output_tokens` are the provider's count. `sources`
    are the passages that it was given, as `rag.answer.Source.row` (null: its arm reads from no
    base); their texts, `passages`, are read for judges that need them. `other` is another arm's
    output to the same case, for judges of pairs.
    """

    output: str
    inputs: Mapping[str, Json] = field(default_factory=dict[str, Json])
    expected: str | None = None
    tool_calls: Sequence[Json] | None = None
    latency_ms: float | None = None
    cost: Decimal | None = None
    output_tokens: int | None = None
    schema: Mapping[str, Json] | None = None
    finish_reason: str | None = None
    tags: Sequence[str] = ()
    sources: Sequence[Mapping[str, Any]] | None = None
    relevant: Sequence[Relevant] = ()
    passages: Sequence[Passage] = ()
    other: str | None = None


class Score(NamedTuple):
    """`value` null means unscored; 0 to 1 unless the evaluator measures. `reason` is for people."""

    value: float | None
    reason: str


def passed(holds: bool, reason: str) -> Score:
    """1 or 0, with the reason cut to a readable length."""
    return Score(1.0 if holds else 0.0, _readable(reason))


def unscored(reason: str) -> Score:
    """No value, because the question does not apply or could not be answered."""
    return Score(None, _readable(reason))


def _readable(reason: str) -> str:
    """Cut, and without the halves of characters that a quoted output may hold."""
    return reason[:MAX_REASON].encode("utf-8", "backslashreplace").decode()


class EvaluatorSettings(BaseModel):
    """Base of all evaluators: frozen settings with one method."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: EvaluatorName | None = Field(
        default=None, description="What its scores are called; the kind if left out."
    )
