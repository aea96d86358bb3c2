"""Every documented key of a promptfoo configuration is taken, or listed as not taken.

The keys are those of promptfoo 0.121's schemas (src/types/index.ts, src/validators) and of
https://www.promptfoo.dev/docs/configuration/reference/.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from evalsets.foreign.arrival import Arrival
from evalsets.foreign.folder import Given
from evalsets.foreign.promptfoo.config import read_promptfoo

TYPES = [
    "answer-relevance",
    "bleu",
    "classifier",
    "contains",
    "contains-all",
    "contains-any",
    "contains-html",
    "contains-json",
    "contains-sql",
    "contains-xml",
    "context-faithfulness",
    "context-recall",
    "context-relevance",
    "conversation-relevance",
    "cost",
    "equals",
    "factuality",
    "finish-reason",
    "g-eval",
    "gleu",
    "guardrails",
    "icontains",
    "icontains-all",
    "icontains-any",
    "is-html",
    "is-json",
    "is-refusal",
    "is-sql",
    "is-valid-function-call",
    "is-valid-openai-function-call",
    "is-valid-openai-tools-call",
    "is-xml",
    "javascript",
    "latency",
    "levenshtein",
    "llm-rubric",
    "pi",
    "meteor",
    "model-graded-closedqa",
    "model-graded-factuality",
    "moderation",
    "perplexity",
    "perplexity-score",
    "python",
    "regex",
    "rouge-n",
    "ruby",
    "similar",
    "similar:cosine",
    "similar:dot",
    "similar:euclidean",
    "starts-with",
    "tool-call-f1",
    "skill-used",
    "trajectory:goal-success",
    "trajectory:tool-args-match",
    "trajectory:step-count",
    "trajectory:tool-sequence",
    "trajectory:tool-used",
    "trace-error-spans",
    "trace-span-count",
    "trace-span-duration",
    "search-rubric",
    "webhook",
    "word-count",
]
SPECIAL = ["select-best", "human", "max-score", "promptfoo:redteam:harmful"]
VALUES: dict[str, Any] = {
    "is-json": {"title": "canary-value"}, "word-count": 97_531, "latency": None, "cost": None,
}  # fmt: skip
FIELDS: dict[str, Any] = {
    "threshold": 0.4321, "weight": 8642, "metric": "canary-metric", "provider": "canary-provider",
    "rubricPrompt": "canary-rubric-prompt", "transform": "canary-transform",
    "contextTransform": "canary-context", "config": {"x": "canary-config"},
}  # fmt: skip


def read(fields: dict[str, Any], files: dict[str, str] | None = None) -> Arrival:
    given = {path: text.encode() for path, text in (files or {}).items()}
    return read_promptfoo("pf.yaml", yaml.safe_dump(fields).encode(), Given(given))


def taken(arrival: Arrival) -> str:
    """All that would be stored, as one text."""
    cases = [(case, case.inputs) for one in arrival.datasets for case in one.parsed.cases]
    return repr((arrival.prompts, arrival.models, cases, arrival.evaluators))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list) and value:
        for n, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{n}]")
    else:
        yield path, value


def listed(arrival: Arrival, path: str) -> bool:
    """Whether a place at, above or below it is told of."""
    places = [one.where.split(" and ")[0] for one in arrival.not_taken]
    return any(
        path == place or path.startswith((f"{place}.", f"{place}[")) or place.startswith(f"{path}.")
        for place in places
    )


TEST: dict[str, Any] = {
    "description": "canary-description", "vars": {"q": "canary-q", "n": 12_345, "l": ["canary-l1"]},
    "provider": "canary-1", "providers": ["canary-2"], "prompts": ["canary-3"],
    "providerOutput": "canary-4", "assertScoringFunction": "file://canary.js", "threshold": 0.1234,
    "assert": [{"type": "contains", "value": "canary-5"}],
    "options": {
        "prefix": "c", "suffix": "c", "postprocess": "c", "transform": "c", "transformVars": "c",
        "storeOutputAs": "c", "rubricPrompt": "c", "provider": "c", "factuality": {"subset": 1},
        "disableConversationVar": True, "runSerially": True, "temperature": 0.1,
    },
    "metadata": {"topic": "canary-topic", "tags": ["canary-tag"], "pluginConfig": {"a": 1},
                 "list": ["x"], "long": "x" * 200},
}  # fmt: skip
WHOLE: dict[str, Any] = {
    "$schema": "x", "tags": {"env": "c"}, "description": "canary name",
    "prompts": [
        {"id": "x", "label": "canary-label", "raw": "canary-raw {{q}}", "display": "canary-label",
         "function": "c", "prefix": "c", "suffix": "c",
         "config": {"temperature": 0.31, "prefix": "c", "canary_unknown": 1,
                    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {
                        "type": "object", "title": "canary-schema"}}}}},
        {"label": "two", "raw": "x", "config": "no map"},
    ],
    "providers": [
        {"id": "openai:canary-model", "label": "canary-p", "prompts": ["c"], "transform": "c",
         "delay": 5, "env": {"A": "c"}, "inputs": {"a": "b"},
         "config": {"temperature": 0.57, "apiKey": "c", "apiKeyEnvar": "not a name", "cost": 0.1,
                    "inputCost": "x", "organization": "c", "headers": {"a": "c"}, "model": "other",
                    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
                    "response_format": {"type": "json_schema", "json_schema": {"name": "x",
                        "schema": {"type": "object"}}}, "passthrough": {"a": 1}}},
        {"id": "anthropic:messages:canary-claude", "config": {"apiHost": "x"}},
        {"id": "echo", "config": {"a": 1}}, {"openai:canary-short": "no map"},
        {"id": "openai:canary-third", "config": "no map"},
    ],
    "tests": [TEST, {"path": "file://t.csv", "config": {"a": 1}}, {"vars": {}, "threshold": "high"}],
    "defaultTest": {"description": "c", "vars": {"d": "canary-d"}},
    "scenarios": [{"description": "c", "config": [{"vars": {"s": "canary-s"}}], "other": 1,
                   "tests": [{"vars": {"t": "canary-t"}}]}],
    "assertionTemplates": {},
    "evaluateOptions": dict.fromkeys(("cache", "delay", "eventSource", "generateSuggestions", "interactiveProviders", "maxConcurrency", "repeat", "showProgressBar", "timeoutMs", "maxEvalTimeMs", "isRedteam", "silent"), 1),
    "commandLineOptions": dict.fromkeys(("maxConcurrency", "repeat", "delay", "vars", "var", "tests", "config", "assertions", "modelOutputs", "grader", "filterFirstN", "filterPattern", "promptPrefix", "promptSuffix", "share", "table", "write", "envPath", "extension"), "c"),
    "env": {"A": "c"}, "nunjucksFilters": {"up": "up.js"}, "extensions": ["file://x.js:f"],
    "outputPath": "x.csv", "sharing": {"apiBaseUrl": "x"}, "derivedMetrics": [
        {"name": "f1", "value": "a / b"}], "metadata": {"a": 1}, "redteam": {"purpose": "x"},
    "writeLatestResults": True, "tracing": {"enabled": True},
}  # fmt: skip
STRUCTURE = {"prompts[0].id", "tests[0].assert[0].type", "prompts[1].label", "prompts[1].raw",
             "providers[2].id", "providers[3].id", "assertionTemplates", "tests[2].vars",
             "tests[1].path", "prompts[0].config.response_format.type",
             "prompts[0].config.response_format.json_schema.name",
             "prompts[0].config.response_format.json_schema.schema.type"}  # fmt: skip
"""Keys that say how to read what stands beside them."""


def test_every_key_of_a_whole_configuration_is_taken_or_listed() -> None:
    arrival = read(WHOLE, {"t.csv": "q\nx\n"})
    stored, silent = taken(arrival), list[str]()
    for path, value in leaves(WHOLE):
        shown = str(value).replace(" ", "-") if path == "description" else str(value)
        named = path in STRUCTURE or (
            shown in stored and ("canary" in shown or shown[-2:].isdigit())
        )
        family = ":" in shown and shown.rsplit(":", 1)[1] in stored and "canary" in shown
        if not (named or family or listed(arrival, path)):
            silent.append(path)
    assert silent == []
    assert all(one.reason.rstrip().endswith(".") for one in arrival.not_taken)


@pytest.mark.parametrize("kind", [*TYPES, *(f"not-{one}" for one in TYPES), *SPECIAL])
def test_every_field_of_every_assertion_is_taken_or_listed(kind: str) -> None:
    bare = kind.removeprefix("not-")
    item: dict[str, Any] = {"type": kind}
    value = VALUES.get(bare, "canary-value")
    if value is not None:
        item["value"] = value
    if bare in ("latency", "cost"):
        item["threshold"] = 0.4321
    for field, given in FIELDS.items():
        arrival = read(
            {
                "prompts": ["{{q}}"],
                "tests": [{"vars": {"q": "x"}, "assert": [{**item, field: given}]}],
            }
        )
        stored = taken(arrival)
        told = listed(arrival, "tests[0].assert[0]")
        shown = "canary-config" if field == "config" else str(given)
        named = any(shown in one.what for one in arrival.not_taken)
        assert shown in stored or told or named, field
        mark = "97531" if bare == "word-count" else "canary-value"
        assert value is None or mark in stored or told


def test_every_field_of_a_set_is_taken_or_listed() -> None:
    inner = [{"type": "contains", "value": "canary-a"}, {"type": "contains", "value": "canary-b"}]
    for field, given in {**FIELDS, "threshold": 0.4321, "nonsense": "x"}.items():
        item = {"type": "assert-set", "assert": inner, field: given}
        arrival = read({"prompts": ["{{q}}"], "tests": [{"vars": {"q": "x"}, "assert": [item]}]})
        stored = taken(arrival)
        assert "canary-a" in stored
        assert "canary-b" in stored
        assert str(given) in stored or listed(arrival, f"tests[0].assert[0].{field}"), field


def test_special_columns_of_tables_are_taken_or_listed() -> None:
    columns = {
        "q": "canary-q", "__expected": "contains:canary-e", "__expected2": "canary-f",
        "__description": "canary-d", "__metric": "canary-m", "__threshold": "0.4321",
        "__metadata:topic": "canary-t", "__prefix": "canary-p", "__suffix": "canary-s",
        "__providerOutput": "canary-o", "__config:__expected:threshold": "0.9",
    }  # fmt: skip
    table = ",".join(columns) + "\n" + ",".join(columns.values()) + "\n"
    arrival = read({"prompts": ["{{q}}"], "tests": "file://t.csv"}, {"t.csv": table})
    stored = taken(arrival)
    told = " ".join(one.what for one in arrival.not_taken)
    for column, value in columns.items():
        shown = value.removeprefix("contains:")
        assert shown in stored or f"the column {column}" in told, column
