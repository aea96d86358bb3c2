"""Scores of an imported result: one an assertion, by its metric or type, and the whole."""

import re
from typing import Any, cast

from evalsets.runs.lines import ImportedScore
from evalsets.verdicts.gates import FIGURES

WHOLE = "promptfoo"
_NOT_NAME = re.compile(r"[^\w.\-]+")


def scores_of(row: dict[str, Any]) -> dict[str, ImportedScore]:
    """`promptfoo` is the result as a whole: 1 passed, 0 not; unscored where the call failed."""
    grading = _map(row.get("gradingResult"))
    found: dict[str, ImportedScore] = {}
    for part in _parts(grading):
        assertion = _map(part.get("assertion"))
        kind = assertion.get("metric") or assertion.get("type")
        score = part.get("score")
        if not kind or not isinstance(score, (int, float)) or isinstance(score, bool):
            continue
        name = _free(score_name(str(kind)), found)
        found[name] = ImportedScore(float(score), str(part.get("reason") or "")[:2_000])
    if isinstance(row.get("success"), bool) and row.get("failureReason") != 2:
        said = str(grading.get("reason") or "")[:2_000]
        found[WHOLE] = ImportedScore(1.0 if row["success"] else 0.0, said)
    return found


def named_apart(row: dict[str, Any]) -> list[str]:
    """Named scores that are no assertion's metric, such as a program gives beside its own."""
    parts = _parts(_map(row.get("gradingResult")))
    metrics = {str(_map(part.get("assertion")).get("metric")) for part in parts}
    return [name for name in _map(row.get("namedScores")) if name not in metrics]


def _parts(grading: dict[str, Any]) -> list[dict[str, Any]]:
    """The assertions; those of a set stand behind it once more."""
    parts = grading.get("componentResults")
    listed = cast(list[Any], parts) if isinstance(parts, list) else []
    return [_map(part) for part in listed]


def _map(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def score_name(text: str) -> str:
    """A legal name of an evaluator near `text`, and no figure of every run."""
    name = " ".join(_NOT_NAME.sub(" ", text).split())[:56] or "score"
    return f"{name}-score" if name in FIGURES or name == WHOLE else name


def _free(name: str, found: dict[str, ImportedScore]) -> str:
    made, number = name, 1
    while made in found:
        number += 1
        made = f"{name}-{number}"
    return made
