"""Assertions of promptfoo as evaluators of ours: a table of what is taken, and why others are not.

https://www.promptfoo.dev/docs/configuration/expected-outputs/
"""

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from core.errors import Invalid, TooLarge
from evalsets.evaluators.check_rules import COMPARED, KNOWN, MEASURED
from evalsets.evaluators.checks import Check
from evalsets.foreign.folder import Files
from evalsets.foreign.promptfoo.variables import loaded
from prompts.foreign import plain_yaml

MAX_RUBRIC = 20_000
JUDGED = ("llm-rubric", "model-graded-closedqa")
_CODE = "It is a program, and no program of a file runs here."
_SEARCH = "It needs a search of the web, which no evaluator does."
_TRACE = "It looks into traces of agents, which a cell does not hold."
_NO_SETTING = "This setting has no place here."
_LATER = "There is no evaluator of this kind yet. Label those cases, or ask a judge."
_REVERSED = "A judge is asked one way here. Write its rubric the other way round."
OTHERS = {
    "javascript": _CODE, "python": _CODE, "ruby": _CODE, "webhook": _CODE,
    "is-valid-function-call": "Use the evaluator `tool_call`.",
    "is-valid-openai-function-call": "Use the evaluator `tool_call`.",
    "is-valid-openai-tools-call": "Use the evaluator `tool_call`.",
    "tool-call-f1": "Use the evaluator `tool_call`.",
    "is-refusal": "Use the evaluator `refused` on arms that read a knowledge base, or a judge.",
    "similar:dot": "Texts are compared by their cosine here. Use `similar`.",
    "similar:euclidean": "Texts are compared by their cosine here. Use `similar`.",
    "llm-rubric": _REVERSED, "model-graded-closedqa": _REVERSED,
    "human": "People's judgement is a label here: make a queue of the run.",
    "select-best": "Arms are compared by labels or pairs here: see the verdict of the run.",
    "max-score": "Arms are compared by their scores here: see the verdict of the run.",
    "moderation": "It asks a service for moderation. Use a guard of the app instead.",
    "guardrails": "Guards belong to an app here, not to a case.",
    "search-rubric": _SEARCH, "agent-rubric": _SEARCH, "skill-used": _TRACE,
    "context-faithfulness": "Use the evaluator `faithfulness` on arms that read a knowledge base.",
    "context-recall": "Use the evaluator `context_recall` on arms that read a knowledge base.",
    "answer-relevance": "It is measured otherwise here: use the evaluator `answer_relevance`.",
    "factuality": "Use a judge whose rubric names the fact.",
    "model-graded-factuality": "Use a judge whose rubric names the fact.",
    "g-eval": "Use a judge with the scale 1-5 and these criteria as its rubric.",
}  # fmt: skip
"""Why a kind is not taken; of `not-…` it is told without the prefix."""
_REFERENCE = re.compile(r"\{\{-?\s*([^\W\d]\w*)\s*-?\}\}")
_TAG = re.compile(r"\{\{|\{%")
_BOUNDED = {*MEASURED, *COMPARED, "similar:cosine"}
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


def read_assert(
    item: Mapping[str, Any], variables: Mapping[str, Any], files: Files
) -> Check | Rubric | NotOurs:
    """One assertion of a case whose variables are `variables`."""
    kind, bare = str(item.get("type")), str(item.get("type")).removeprefix("not-")
    if kind not in JUDGED and bare not in KNOWN and bare != "similar:cosine":
        return NotOurs(f"the assertion {kind}", _why_not(bare))
    changed = [key for key in ("transform", "contextTransform", "config") if item.get(key)]
    if changed:
        reason = "This setting has no place here." if changed[0] == "config" else _CODE
        return NotOurs(f"the assertion {kind} with `{changed[0]}`", reason)
    try:
        value = filled(_loaded(item.get("value"), files), variables)
        metric = filled(str(item["metric"]), variables) if item.get("metric") else None
        if kind in JUDGED:
            return _rubric(item, value, metric)
        return Check(
            type=kind.removesuffix(":cosine"),
            value=_value(bare, value),
            threshold=item.get("threshold") if bare in _BOUNDED else None,
            weight=1 if item.get("weight") is None else item["weight"],
            metric=metric,
        )
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        reason = found["msg"].removeprefix("Value error, ")[:300] + "."
        return NotOurs(f"the assertion {kind}", reason)
    except (ValueError, Invalid, TooLarge) as error:
        return NotOurs(f"the assertion {kind}", str(error))


def _why_not(kind: str) -> str:
    if kind.startswith(("trace-", "trajectory:")):
        return _TRACE
    if kind.startswith("promptfoo:redteam:"):
        return "There are no attacks made by a model here."
    return OTHERS.get(kind, _LATER)


def unread(item: Mapping[str, Any]) -> list[NotOurs]:
    """What an assertion that is taken says beyond what is taken of it."""
    kind = str(item.get("type"))
    judged = kind in JUDGED
    bounded = judged or kind.removeprefix("not-") in _BOUNDED
    known = {"type", "value", "weight", "metric"}
    known |= ({"threshold"} if bounded else set()) | ({"provider"} if judged else set())
    reasons = {
        "provider": "Texts are compared by the embedder of the evaluator `similarity` here."
        if "similar" in kind
        else "No model is asked for this assertion.",
        "rubricPrompt": "No model is asked for this assertion.",
        "threshold": "It holds or it does not: there is no figure to compare.",
    }
    found = [
        NotOurs(f"`{key}` of the assertion {kind}", reasons.get(key, _NO_SETTING))
        for key in sorted(item.keys() - known)
        if item[key] not in (None, {}, "")
    ]
    if judged and not isinstance(item.get("provider"), (str, type(None))):
        reason = "Its settings stay behind. Name one of the configuration's providers by its id."
        found.append(NotOurs(f"the `provider` of the assertion {kind}", reason))
    return found


def _loaded(value: Any, files: Files) -> Any:
    """The content of the file that a value, or an item of a list, names."""
    if isinstance(value, list):
        return [_loaded(one, files) for one in cast(list[Any], value)]
    found = loaded(value, files)
    return found.strip() if isinstance(found, str) and found is not value else found


def _rubric(item: Mapping[str, Any], value: Any, metric: Any) -> Rubric | NotOurs:
    kind = str(item.get("type"))
    if not isinstance(value, str) or not value.strip():
        return NotOurs(f"the assertion {kind}", "Its rubric is no text. Write one.")
    if len(value) > MAX_RUBRIC:
        return NotOurs(
            f"the assertion {kind}",
            f"Its rubric has more than {MAX_RUBRIC:,} characters. Shorten it.",
        )
    if item.get("rubricPrompt"):
        return NotOurs(
            f"the assertion {kind} with `rubricPrompt`",
            "Push that prompt, then name it in the evaluator `judge`.",
        )
    provider = item.get("provider")
    if isinstance(provider, dict):
        provider = cast(dict[str, Any], provider).get("id")
    return Rubric(value, provider if isinstance(provider, str) else None, metric)


def _value(kind: str, value: Any) -> Any:
    if kind in _LISTS and isinstance(value, str):
        return next(csv.reader([value.strip()], skipinitialspace=True), [])
    if kind == "is-json" and isinstance(value, str):
        return plain_yaml.load(value, "the schema") if value.strip() else None
    if kind == "word-count" and isinstance(value, str) and value.strip().isdecimal():
        return int(value)
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
