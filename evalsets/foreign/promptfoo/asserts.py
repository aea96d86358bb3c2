"""Assertions of promptfoo as evaluators of ours: a table of what is taken, and why others are not.

https://www.promptfoo.dev/docs/configuration/expected-outputs/
"""

import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from core.errors import Invalid
from evalsets.evaluators.check_rules import DEFAULTS, KNOWN
from evalsets.evaluators.checks import Check
from evalsets.evaluators.kinds import Contains, Cost, Evaluator, Exact, JsonSchema, Latency, Regex
from evalsets.evaluators.overlap import Bleu, Rouge
from evalsets.evaluators.similarity import Similarity
from prompts.foreign import plain_yaml

JUDGED = ("llm-rubric", "model-graded-closedqa")
_CODE = "It is a program, and no program of a file runs here."
_SEARCH = "It needs a search of the web, which no evaluator does."
_TRACE = "It looks into traces of agents, which a cell does not hold."
_LATER = "There is no evaluator of this kind yet. Label those cases, or ask a judge."
OTHERS = {
    "javascript": _CODE, "python": _CODE, "ruby": _CODE, "webhook": _CODE,
    "is-valid-function-call": _LATER, "is-valid-openai-function-call": _LATER,
    "is-valid-openai-tools-call": _LATER, "tool-call-f1": _LATER,
    "human": "People's judgement is a label here: make a queue of the run.",
    "select-best": "Arms are compared by labels or pairs here: see the verdict of the run.",
    "max-score": "Arms are compared by their scores here: see the verdict of the run.",
    "moderation": "It asks a service for moderation. Use a guard of the app instead.",
    "guardrails": "Guards belong to an app here, not to a case.",
    "search-rubric": _SEARCH, "agent-rubric": _SEARCH,
    "context-faithfulness": "Use the evaluator `faithfulness` on arms that read a knowledge base.",
    "context-recall": "Use the evaluator `context_recall` on arms that read a knowledge base.",
    "answer-relevance": "It is measured otherwise here: use the evaluator `answer_relevance`.",
    "factuality": "Use a judge whose rubric names the fact.",
    "model-graded-factuality": "Use a judge whose rubric names the fact.",
    "g-eval": "Use a judge with the scale 1-5 and these criteria as its rubric.",
}  # fmt: skip
_REFERENCE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}")
_TAG = re.compile(r"\{\{|\{%")
_FIELDS = {"type", "value", "threshold", "weight", "metric", "provider", "rubricPrompt"}
_LISTS = ("contains-any", "contains-all", "icontains-any", "icontains-all")


class Rubric(NamedTuple):
    """A judged assertion; `provider` is the configuration's id of the judging model."""

    text: str
    provider: str | None = None
    metric: str | None = None


@dataclass(frozen=True)
class NotOurs:
    """Why an assertion is not taken."""

    what: str
    reason: str


def read_assert(item: Mapping[str, Any], variables: Mapping[str, Any]) -> Check | Rubric | NotOurs:
    """One assertion of a case whose variables are `variables`."""
    kind = str(item.get("type"))
    try:
        value = filled(item.get("value"), variables)
    except Invalid as error:
        return NotOurs(f"the assertion {kind}", error.message)
    if isinstance(value, str) and value.startswith("file://"):
        return NotOurs(f"the assertion {kind} of {value[7:80]}", _CODE)
    if kind in JUDGED:
        return _rubric(item, value)
    if kind.removeprefix("not-") not in KNOWN:
        return NotOurs(f"the assertion {kind}", OTHERS.get(kind.removeprefix("not-"), _LATER))
    extra = sorted(item.keys() - _FIELDS)
    if extra:
        return NotOurs(
            f"the assertion {kind} with `{extra[0]}`",
            _CODE if "ransform" in extra[0] else "This setting has no place here.",
        )
    try:
        return Check(
            type=kind,
            value=_value(kind.removeprefix("not-"), value),
            threshold=item.get("threshold"),
            weight=1 if item.get("weight") is None else item["weight"],
            metric=None if item.get("metric") is None else str(item["metric"]),
        )
    except (ValidationError, ValueError, Invalid) as error:
        return NotOurs(f"the assertion {kind}", _why(error))


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False)[0]
        return found["msg"].removeprefix("Value error, ")[:300] + "."
    return str(error)


def _rubric(item: Mapping[str, Any], value: Any) -> Rubric | NotOurs:
    kind = str(item.get("type"))
    if not isinstance(value, str) or not value.strip():
        return NotOurs(f"the assertion {kind}", "Its rubric is no text. Write one.")
    if item.get("rubricPrompt"):
        return NotOurs(
            f"the assertion {kind} with `rubricPrompt`",
            "Push that prompt, then name it in the evaluator `judge`.",
        )
    provider = item.get("provider")
    metric = item.get("metric")
    return Rubric(value, provider if isinstance(provider, str) else None, metric)


def _value(kind: str, value: Any) -> Any:
    if kind in _LISTS and isinstance(value, str):
        return next(csv.reader([value.strip()], skipinitialspace=True), [])
    if kind == "is-json" and isinstance(value, str):
        return plain_yaml.load(value, "the schema") if value.strip() else None
    return value


def filled(value: Any, variables: Mapping[str, Any]) -> Any:
    """`{{name}}` in texts of an assertion, replaced by the case's value; Invalid for more."""
    if isinstance(value, str):
        if not _TAG.search(value):
            return value
        text = _REFERENCE.sub(lambda found: _shown(found[1], variables), value)
        if _TAG.search(_REFERENCE.sub("", value)):
            raise Invalid("Its value is a template. Write the value, or {{name}} of a variable.")
        return text
    if isinstance(value, list):
        return [filled(one, variables) for one in cast(list[Any], value)]
    if isinstance(value, dict):
        return {k: filled(v, variables) for k, v in cast(dict[str, Any], value).items()}
    return value


def _shown(name: str, variables: Mapping[str, Any]) -> str:
    if name not in variables:
        raise Invalid(f"Its value reads {name!r}, which the case does not have. Add the variable.")
    value = variables[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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


def as_evaluator(check: Check) -> Evaluator | None:
    """The evaluator that means exactly this check for every case, where there is one."""
    make = EVALUATORS.get(check.type)
    if make is None or check.weight != 1 or check.threshold not in (None, *_bounds(check)):
        return None
    try:
        return make(check)
    except (ValidationError, ValueError):
        return None


def _bounds(check: Check) -> tuple[float | None, ...]:
    return (check.threshold,) if check.type in ("latency", "cost", *DEFAULTS) else ()
