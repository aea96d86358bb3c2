"""Assertions as cells of CSV write them."""

import re
from typing import Any

from evalsets.evaluators.check_rules import RULES
from evalsets.foreign.promptfoo.asserts import JUDGED, OTHERS

_FROM_TEXT = re.compile(
    r"(not-)?("
    + "|".join(
        sorted(
            {
                *RULES,
                *OTHERS,
                *JUDGED,
                "similar",
                "levenshtein",
                "rouge-n",
                "classifier",
                "perplexity",
                "perplexity-score",
                "context-relevance",
                "is-refusal",
                "is-sql",
                "is-xml",
                "contains-json",
                "contains-sql",
                "contains-xml",
                "bleu",
                "gleu",
                "meteor",
            },
            key=len,
            reverse=True,
        )
    )
    + r")(?:\((\d+(?:\.\d+)?)\))?(?::([\s\S]*))?"
)


def from_text(text: str) -> dict[str, Any]:
    """An assertion as a cell of CSV writes it: `icontains:yes`, `latency(500)`; else `equals`."""
    for start, kind in (
        ("javascript:", "javascript"),
        ("fn:", "javascript"),
        ("eval:", "javascript"),
        ("grade:", "llm-rubric"),
        ("llm-rubric:", "llm-rubric"),
        ("python:", "python"),
    ):
        if text.startswith(start):
            return {"type": kind, "value": text[len(start) :].strip()}
    if text.startswith("file://"):
        return {"type": "python" if ".py" in text else "javascript", "value": text}
    found = _FROM_TEXT.fullmatch(text)
    if found is None:
        return {"type": "equals", "value": text}
    inverse, kind, threshold, value = found.groups()
    made: dict[str, Any] = {"type": f"{inverse or ''}{kind}"}
    if value is not None:
        made["value"] = value.strip()
    if threshold is not None:
        made["threshold"] = float(threshold)
    elif kind in ("latency", "cost"):
        made["threshold"] = 0.75  # promptfoo's own default in CSV
    return made
