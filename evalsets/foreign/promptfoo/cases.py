"""Tests of promptfoo as cases, each with its own assertions."""

from collections.abc import Mapping
from typing import Any, cast

from core.errors import PromptstoneError
from evalsets.files.cases import MAX_ID, MAX_TAG, SPLITS
from evalsets.foreign.arrival import Arrival
from evalsets.foreign.folder import Files
from evalsets.foreign.promptfoo.assembling import Assembled, assembled
from evalsets.foreign.promptfoo.case import Case
from evalsets.foreign.promptfoo.taking_asserts import Reading, take_all
from evalsets.foreign.promptfoo.tests import MAX_CASES, TestCase
from evalsets.foreign.promptfoo.variables import combinations

_RESERVED = ("id", "tags", "split")
_KNOWN = {"vars", "assert", "description", "threshold", "metadata", "options"}
_PROGRAM = "It is a program, and no program of a file runs here."
_REASONS = {
    "provider": "Which model is asked is chosen when a run is started.",
    "providers": "Which model is asked is chosen when a run is started.",
    "prompts": "Which prompts are run is chosen when a run is started.",
    "providerOutput": "Outputs made elsewhere are taken by `promptstone run import`.",
    "assertScoringFunction": _PROGRAM,
}
_NO_PLACE = "It has no place in a case here."
_TAKEN_OPTIONS = {"disableVarExpansion", "disableDefaultAsserts"}
_OPTIONS = {
    "transform": _PROGRAM, "transformVars": _PROGRAM, "postprocess": _PROGRAM,
    "prefix": "Write it into the prompt.", "suffix": "Write it into the prompt.",
    "storeOutputAs": "A case here does not see the answer of another.",
    "runSerially": "Give `--concurrency 1` when a run is started.",
    "disableConversationVar": "There is no such variable here.",
    "rubricPrompt": "Push that prompt, then name it in the evaluator `judge`.",
    "factuality": "Use a judge whose rubric names the fact.",
    "provider": "No assertion of the test asks a model, or it is no id of a provider.",
}  # fmt: skip


def assemble(
    tests: list[TestCase], files: Files, arrival: Arrival, templates: Mapping[str, Any]
) -> Assembled | None:
    """Cases of all tests; None where there are none."""
    cases: list[Case] = []
    for test in tests:
        try:
            expand = not _options(test.item).get("disableVarExpansion")
            grader = _options(test.item).get("provider")
            named = grader if isinstance(grader, str) else None
            reading = Reading(files, templates, arrival, named)
            asked = False
            for inputs in combinations(test.item.get("vars"), files, expand=expand):
                if len(cases) >= MAX_CASES:
                    arrival.leave(
                        test.where, "further cases", f"More than {MAX_CASES:,}. Split it."
                    )
                    break
                cases.append(_case(test, inputs, reading))
                asked = asked or bool(cases[-1].rubrics)
        except PromptstoneError as error:
            arrival.refuse(test.where, _title(test.item) or "a test", error)
            continue
        _leave_rest(test, arrival, {"provider"} if asked and named else set())
    if not cases:
        return None
    return assembled(cases, arrival)


def _leave_rest(test: TestCase, arrival: Arrival, taken: set[str]) -> None:
    for key in sorted(test.item.keys() - _KNOWN):
        arrival.leave(f"{test.where}.{key}", f"`{key}` of a test", _REASONS.get(key, _NO_PLACE))
    for key in sorted(_options(test.item).keys() - _TAKEN_OPTIONS - taken):
        arrival.leave(
            f"{test.where}.options.{key}",
            f"the option `{key}` of a test",
            _OPTIONS.get(key, _NO_PLACE),
        )
    metadata = test.item.get("metadata")
    given = cast(dict[str, Any], metadata) if isinstance(metadata, dict) else {"": metadata}
    for key, value in given.items():
        if value is not None and not _is_tag(key, value):
            arrival.leave(
                f"{test.where}.metadata.{key}".removesuffix("."),
                f"`{key}` of a test's metadata" if key else "a test's metadata",
                "A tag is a short text here. Write it as text.",
            )
    if len(_title(test.item)) > MAX_ID - 8:
        arrival.leave(
            f"{test.where}.description",
            "the end of a description",
            f"The id of a case has at most {MAX_ID - 8} characters here.",
        )


def _is_tag(key: str, value: Any) -> bool:
    if key == "tags" and isinstance(value, list):
        return all(isinstance(one, str) for one in cast(list[Any], value))
    scalar = isinstance(value, (str, int, float))
    return bool(key) and scalar and len(f"{key}={value}") <= MAX_TAG


def _options(item: dict[str, Any]) -> dict[str, Any]:
    options = item.get("options")
    return cast(dict[str, Any], options) if isinstance(options, dict) else {}


def _title(item: dict[str, Any]) -> str:
    return str(item.get("description") or "").strip()


def _case(test: TestCase, inputs: dict[str, Any], reading: Reading) -> Case:
    kept = {name: value for name, value in inputs.items() if name not in _RESERVED}
    for name in sorted(inputs.keys() - kept.keys()):
        reading.arrival.leave(
            f"{test.where}.vars.{name}",
            f"the variable `{name}`",
            "Such a column means something of its own here. Rename the variable.",
        )
    threshold = test.item.get("threshold")
    number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
    if threshold is not None and not number:
        reading.arrival.leave(
            f"{test.where}.threshold", "the threshold of a test", "It is no number. Correct it."
        )
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
    take_all(case, test.item.get("assert"), inputs, reading)
    return case


def _tags(item: dict[str, Any]) -> list[str]:
    metadata = item.get("metadata")
    found = dict(cast(dict[str, Any], metadata)) if isinstance(metadata, dict) else {}
    listed = found.pop("tags", None)
    if found.get("split") in SPLITS:
        del found["split"]
    own = [str(one) for one in cast(list[Any], listed)] if isinstance(listed, list) else []
    return own + [
        f"{key}={value}"[:MAX_TAG]
        for key, value in found.items()
        if isinstance(value, (str, int, float))
    ]
