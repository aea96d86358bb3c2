"""Tests of promptfoo as cases, each with its own assertions."""

from typing import Any, cast

from core.errors import PromptstoneError
from evalsets.files.cases import SPLITS
from evalsets.foreign.arrival import Arrival
from evalsets.foreign.folder import Files
from evalsets.foreign.promptfoo.assembling import Assembled, assembled
from evalsets.foreign.promptfoo.asserts import (
    NotOurs,
    Rubric,
    read_assert,
)
from evalsets.foreign.promptfoo.case import Case
from evalsets.foreign.promptfoo.tests import MAX_CASES, TestCase
from evalsets.foreign.promptfoo.variables import combinations

_RESERVED = ("id", "tags", "split")
_KNOWN = {"vars", "assert", "description", "threshold", "metadata", "options"}
_REASONS = {
    "provider": "Which model is asked is chosen when a run is started.",
    "providers": "Which model is asked is chosen when a run is started.",
    "prompts": "Which prompts are run is chosen when a run is started.",
    "providerOutput": "Outputs made elsewhere are taken by `promptstone run import`.",
    "assertScoringFunction": "It is a program, and no program of a file runs here.",
}


def assemble(tests: list[TestCase], files: Files, arrival: Arrival) -> Assembled | None:
    """Cases of all tests; None where there are none."""
    cases: list[Case] = []
    for test in tests:
        try:
            expand = not _options(test.item).get("disableVarExpansion")
            for inputs in combinations(test.item.get("vars"), files, expand=expand):
                if len(cases) >= MAX_CASES:
                    arrival.leave(
                        test.where, "further cases", f"More than {MAX_CASES:,}. Split it."
                    )
                    break
                cases.append(_case(test, inputs, arrival))
        except PromptstoneError as error:
            arrival.refuse(test.where, _title(test.item) or "a test", error)
            continue
        _leave_rest(test, arrival)
    if not cases:
        return None
    return assembled(cases, arrival)


def _leave_rest(test: TestCase, arrival: Arrival) -> None:
    for key in sorted(test.item.keys() - _KNOWN):
        arrival.leave(
            f"{test.where}.{key}",
            f"`{key}` of a test",
            _REASONS.get(key, "It has no place in a case here."),
        )
    for key in sorted(_options(test.item).keys() - {"disableVarExpansion"}):
        program = "ransform" in key or key == "postprocess"
        arrival.leave(
            f"{test.where}.options.{key}",
            f"the option `{key}` of a test",
            "It is a program, and no program of a file runs here."
            if program
            else "It has no place in a case here.",
        )


def _options(item: dict[str, Any]) -> dict[str, Any]:
    options = item.get("options")
    return cast(dict[str, Any], options) if isinstance(options, dict) else {}


def _title(item: dict[str, Any]) -> str:
    return str(item.get("description") or "").strip()


def _case(test: TestCase, inputs: dict[str, Any], arrival: Arrival) -> Case:
    kept = {name: value for name, value in inputs.items() if name not in _RESERVED}
    for name in sorted(inputs.keys() - kept.keys()):
        arrival.leave(
            f"{test.where}.vars.{name}",
            f"the variable `{name}`",
            "Such a column means something of its own here. Rename the variable.",
        )
    threshold = test.item.get("threshold")
    number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
    metadata = test.item.get("metadata")
    split = cast(dict[str, Any], metadata).get("split") if isinstance(metadata, dict) else None
    case = Case(
        test.where,
        kept,
        title=_title(test.item),
        tags=_tags(test.item),
        split=split if split in SPLITS else None,
        threshold=float(cast(float, threshold)) if number else None,
    )
    for n, item in enumerate(test.item.get("assert") or []):
        where = f"{test.where}.assert[{n}]"
        if not isinstance(item, dict):
            arrival.leave(where, "an assertion", "It is no map. Correct it.")
            continue
        _take(case, where, cast(dict[str, Any], item), inputs, arrival)
    return case


def _take(
    case: Case, where: str, item: dict[str, Any], inputs: dict[str, Any], arrival: Arrival
) -> None:
    if item.get("type") == "assert-set":
        if item.get("threshold") is not None:
            arrival.leave(
                where,
                "the threshold of an assert-set",
                "Its assertions are taken one by one. Use weights instead.",
            )
        for n, inner in enumerate(item.get("assert") or []):
            if isinstance(inner, dict):
                _take(case, f"{where}.assert[{n}]", cast(dict[str, Any], inner), inputs, arrival)
        return
    found = read_assert(item, inputs)
    if isinstance(found, NotOurs):
        arrival.leave(where, found.what, found.reason)
    elif isinstance(found, Rubric):
        case.rubrics.append(found)
        if item.get("weight") not in (None, 1):
            arrival.leave(where, "the weight of a judged assertion", "Judges score apart here.")
        if item.get("threshold") is not None:
            arrival.leave(
                where,
                "the threshold of a judged assertion",
                "Give it to a gate: `--gate NAME>=0.8`.",
            )
    else:
        case.checks.append(found)


def _tags(item: dict[str, Any]) -> list[str]:
    metadata = item.get("metadata")
    found = dict(cast(dict[str, Any], metadata)) if isinstance(metadata, dict) else {}
    listed = found.pop("tags", None)
    if found.get("split") in SPLITS:
        del found["split"]
    own = [str(one) for one in cast(list[Any], listed)] if isinstance(listed, list) else []
    return own + [
        f"{key}={value}"[:128]
        for key, value in found.items()
        if isinstance(value, (str, int, float))
    ]
