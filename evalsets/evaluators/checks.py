"""Assertions as promptfoo writes them: for every case, and those that a case brings along.

A check is `{type, value, threshold, weight, metric}`; `not-` before a type turns it round. What a
type does is one function of `check_rules.RULES`.
"""

import json
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from core.canonical import Json
from evalsets.evaluators.check_rules import KNOWN, fit, holds
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

    def holds(self, subject: Subject) -> bool | None:
        """Whether it does; None where the question cannot be answered."""
        kind = self.type.removeprefix("not-")
        found = holds(kind, self.value, self.threshold, subject)
        return found if found is None or not self.type.startswith("not-") else not found

    def row(self) -> dict[str, Json]:
        """As it stands in a case's column: what is not the default."""
        return self.model_dump(mode="json", exclude_defaults=True)


class CaseChecks(BaseModel):
    """What a case's column holds; a bare list of checks has no threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: tuple[Check, ...] = Field(default=(), max_length=MAX_CHECKS)
    threshold: float | None = None


_case_checks: TypeAdapter[CaseChecks] = TypeAdapter(CaseChecks)


class _Outcome(NamedTuple):
    check: Check
    holds: bool | None


class Checks(EvaluatorSettings):
    """1 when all assertions hold, those for every case and those in a column of its own."""

    kind: Literal["checks"] = "checks"
    column: str = Field(default="checks", description="Column with the case's own assertions.")
    every: tuple[Check, ...] = Field(
        default=(), max_length=MAX_CHECKS, description="Assertions for every case, as a JSON list."
    )
    give: Literal["pass", "share"] = Field(
        default="pass", description="1 or 0, or the weighted share of what holds."
    )

    def score(self, subject: Subject) -> Score:
        """Unscored without an assertion, or where one cannot be answered.

        With a threshold in the case, the weighted share must reach it; else all must hold.
        """
        try:
            own = case_checks(subject.inputs.get(self.column))
        except ValueError as error:
            return unscored(f"the column {self.column} is wrong: {error}")
        outcomes = [_Outcome(check, check.holds(subject)) for check in (*self.every, *own.checks)]
        if not outcomes:
            return unscored("the case has no assertion")
        open_ones = [one.check.type for one in outcomes if one.holds is None]
        if open_ones:
            return unscored(f"cannot be answered here: {', '.join(open_ones)}")
        return self._of(outcomes, own.threshold)

    def _of(self, outcomes: list[_Outcome], threshold: float | None) -> Score:
        total = sum(one.check.weight for one in outcomes)
        held = sum(one.check.weight for one in outcomes if one.holds)
        share = held / total if total else 1.0
        failed = [_said(one.check) for one in outcomes if not one.holds and one.check.weight]
        reason = "; ".join(f"fails {text}" for text in failed) or "all hold"
        if self.give == "share":
            return Score(share, reason[:2_000])
        holds = not failed if threshold is None else share >= threshold
        return passed(holds, reason)


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


def _said(check: Check) -> str:
    value = check.threshold if check.value is None else check.value
    return f"{check.metric or check.type} {json.dumps(value, ensure_ascii=False)[:120]}"
