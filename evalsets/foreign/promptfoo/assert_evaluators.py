"""Assertions of promptfoo that an evaluator means exactly."""

from collections.abc import Callable, Mapping

from pydantic import ValidationError

from evalsets.evaluators.check_rules import DEFAULTS
from evalsets.evaluators.checks import Check, CheckSet
from evalsets.evaluators.kinds import Contains, Cost, Evaluator, Exact, JsonSchema, Latency, Regex
from evalsets.evaluators.overlap import Bleu, Rouge
from evalsets.evaluators.similarity import Similarity

_Maker = Callable[[Check], Evaluator]
EVALUATORS: Mapping[str, _Maker] = {
    "equals": lambda one: Exact(value=_text(one), strip=False),
    "contains": lambda one: Contains(value=_text(one)),
    "icontains": lambda one: Contains(value=_text(one), case=False),
    "regex": lambda one: Regex(pattern=_text(one)),
    "is-json": lambda one: JsonSchema(definition=one.value or {}),
    "latency": lambda one: Latency(max=one.threshold),
    "cost": lambda one: Cost(max=one.threshold),
    "similar": lambda one: Similarity(value=_text(one), threshold=_share(one)),
    "rouge-n": lambda one: Rouge(value=_text(one), variant="rouge1", threshold=_share(one)),
    "bleu": lambda one: Bleu(value=_text(one), threshold=_share(one)),
}
"""Assertions that an evaluator means exactly; the others are one `checks` together."""

BY_EXPECTED: Mapping[str, Evaluator] = {
    "equals": Exact(strip=False),
    "contains": Contains(),
    "icontains": Contains(case=False),
    "regex": Regex(),
}
"""The same where every case brings its own value, which becomes its expected output."""


def _text(check: Check) -> str:
    if not isinstance(check.value, str):
        raise ValueError("no text")
    return check.value


def _share(check: Check) -> float:
    return DEFAULTS[check.type] if check.threshold is None else check.threshold


def as_evaluator(check: Check | CheckSet) -> Evaluator | None:
    """The evaluator that means exactly this check for every case, where there is one."""
    if isinstance(check, CheckSet):
        return None
    make = EVALUATORS.get(check.type)
    if make is None or check.weight != 1 or check.threshold not in (None, *_bounds(check)):
        return None
    try:
        return make(check)
    except (ValidationError, ValueError):
        return None


def _bounds(check: Check) -> tuple[float | None, ...]:
    return (check.threshold,) if check.type in ("latency", "cost", *DEFAULTS) else ()
