"""Assertions as promptfoo writes them: for every case, and those that a case brings along.

A check is `{type, value, threshold, weight, metric}`; `not-` before a type turns it round. What a
type does is one function of `check_rules.RULES`. A set of checks is `{type: assert-set, assert,
threshold, weight, metric}` and counts as one.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from core.canonical import Json
from evalsets.evaluators.check_rules import KNOWN, Outcome, fit, outcome
from evalsets.evaluators.subjects import EvaluatorSettings, Score, Subject, passed, unscored
from prompts.fields import JsonValue

MAX_CHECKS = 200
Weight = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Check(BaseModel):
    """One assertion; `threshold` is in milliseconds for latency, in US dollars for cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    value: JsonValue = None
    threshold: float | None = None
    weight: Weight = 1
    metric: str | None = None

    @field_validator("type")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind.removeprefix("not-") not in KNOWN:
            raise ValueError(f"{kind[:60]!r} is no check; use one of {', '.join(KNOWN)}")
        return kind

    def model_post_init(self, context: Any, /) -> None:
        """Refuse a value that its rule could not use."""
        fit(self.type.removeprefix("not-"), self.value, self.threshold)

    def outcome(self, subject: Subject) -> Outcome:
        """Whether it does, and its share; `not-` turns both round."""
        kind = self.type.removeprefix("not-")
        found = outcome(kind, self.value, self.threshold, subject)
        if kind == self.type or found.holds is None or found.share is None:
            return found
        return Outcome(not found.holds, 1 - found.share)

    def said(self) -> str:
        """How a reason names it."""
        value = self.threshold if self.value is None else self.value
        return f"{self.metric or self.type} {json.dumps(value, ensure_ascii=False)[:120]}"

    def row(self) -> dict[str, Json]:
        """As it stands in a case's column: what is not the default."""
        return self.model_dump(mode="json", exclude_defaults=True)


class CheckSet(BaseModel):
    """Checks that count as one: all must hold, or their weighted mean reach the threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    type: Literal["assert-set"] = "assert-set"
    parts: tuple[Check, ...] = Field(alias="assert", min_length=1, max_length=MAX_CHECKS)
    threshold: float | None = None
    weight: Weight = 1
    metric: str | None = None

    def outcome(self, subject: Subject) -> Outcome:
        """That of its parts together."""
        return together(self.parts, self.threshold, subject).outcome

    def said(self) -> str:
        """How a reason names it."""
        return f"{self.metric or self.type} of {', '.join(part.said() for part in self.parts)}"

    def row(self) -> dict[str, Json]:
        """As it stands in a case's column."""
        own = self.model_dump(mode="json", exclude_defaults=True, exclude={"parts"})
        return {"type": self.type, **own, "assert": [part.row() for part in self.parts]}


def _which(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "set" if kind == "assert-set" else "check"


AnyCheck = Annotated[
    Annotated[Check, Tag("check")] | Annotated[CheckSet, Tag("set")], Discriminator(_which)
]


class CaseChecks(BaseModel):
    """What a case's column holds; a bare list of checks has no threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: tuple[AnyCheck, ...] = Field(default=(), max_length=MAX_CHECKS)
    threshold: float | None = None


_case_checks: TypeAdapter[CaseChecks] = TypeAdapter(CaseChecks)


class Together(NamedTuple):
    """Several checks as one: which fail, and which cannot be answered."""

    outcome: Outcome
    failed: list[str]
    unanswered: list[str]


def together(
    items: Sequence[Check | CheckSet], threshold: float | None, subject: Subject
) -> Together:
    """As promptfoo's `AssertionsResult`: a check of weight 0 fails nothing, a set always counts."""
    found = [(item, item.outcome(subject)) for item in items]
    unanswered = [item.type for item, one in found if one.holds is None]
    if unanswered:
        return Together(Outcome(None), [], unanswered)
    total = sum(item.weight for item in items)
    share = sum((one.share or 0.0) * item.weight for item, one in found) / total if total else 0.0
    failed = [
        item.said()
        for item, one in found
        if not one.holds and (item.weight or isinstance(item, CheckSet))
    ]
    holds = not failed if threshold is None else share >= threshold
    return Together(Outcome(holds, share), failed, [])


class Checks(EvaluatorSettings):
    """1 when all assertions hold, those for every case and those in a column of its own."""

    kind: Literal["checks"] = "checks"
    column: str = Field(default="checks", description="Column with the case's own assertions.")
    every: tuple[AnyCheck, ...] = Field(
        default=(), max_length=MAX_CHECKS, description="Assertions for every case, as a JSON list."
    )
    give: Literal["pass", "share"] = Field(
        default="pass",
        description="1 or 0, or the weighted mean: 1 for what holds, figures as they are.",
    )

    def score(self, subject: Subject) -> Score:
        """Unscored without an assertion, or where one cannot be answered.

        With a threshold in the case, the weighted mean must reach it; else all must hold.
        """
        try:
            own = case_checks(subject.inputs.get(self.column))
        except ValueError as error:
            return unscored(f"the column {self.column} is wrong: {error}")
        every = (*self.every, *own.checks)
        if not every:
            return unscored("the case has no assertion")
        found = together(every, own.threshold, subject)
        if found.unanswered:
            return unscored(f"cannot be answered here: {', '.join(found.unanswered)}")
        reason = "; ".join(f"fails {text}" for text in found.failed) or "all hold"
        if self.give == "share":
            return Score(found.outcome.share, reason[:2_000])
        return passed(bool(found.outcome.holds), reason)


def case_checks(value: Json) -> CaseChecks:
    """The checks in a column, also from a JSON text as CSV gives it; ValueError for others."""
    if value is None or value == "":
        return CaseChecks()
    if isinstance(value, str):
        value = json.loads(value)
    try:
        return _case_checks.validate_python({"checks": value} if isinstance(value, list) else value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(first["msg"].removeprefix("Value error, ")[:300]) from None
