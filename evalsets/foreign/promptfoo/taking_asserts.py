"""The assertions of one test, single or in sets, taken into its case or listed.

A set whose parts hold together is taken part by part; where a threshold, a weight or a metric makes
it count as one, it is one check with parts, or nothing of it where a part cannot be counted.
https://www.promptfoo.dev/docs/configuration/expected-outputs/
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from evalsets.evaluators.checks import Check, CheckSet
from evalsets.foreign.arrival import Arrival
from evalsets.foreign.folder import Files
from evalsets.foreign.promptfoo.asserts import NotOurs, Rubric, read_assert, unread
from evalsets.foreign.promptfoo.case import Case

Json = dict[str, Any]
_TEMPLATE = "#/assertionTemplates/"


class Reading(NamedTuple):
    """What assertions are read with: files beside them, templates they refer to, and the list."""

    files: Files
    templates: Mapping[str, Any]
    arrival: Arrival
    grader: str | None = None


def take_all(case: Case, items: Any, variables: Json, reading: Reading) -> None:
    """Add every assertion of a test to its case, or list it."""
    listed = cast(list[Any], items) if isinstance(items, list) else [items] if items else []
    counted = True
    for n, item in enumerate(listed):
        where = f"{case.where}.assert[{n}]"
        found = _resolved(where, item, reading)
        if found is None:
            counted = False
        elif found.get("type") == "assert-set":
            counted &= _set(case, where, found, variables, reading)
        else:
            counted &= _single(case, where, found, variables, reading)
    if case.threshold is not None and not counted:
        reading.arrival.leave(
            f"{case.where}.threshold",
            "what the threshold of a test counts",
            "Not all of its assertions are counted together here, so it holds for the others "
            "alone. Judges score apart.",
        )


def _resolved(where: str, item: Any, reading: Reading) -> Json | None:
    """The assertion that an item is, or that it refers to."""
    found = cast(Json, item) if isinstance(item, dict) else None
    reference = found.get("$ref") if found else None
    if isinstance(reference, str):
        named = reading.templates.get(reference.removeprefix(_TEMPLATE))
        known = reference.startswith(_TEMPLATE) and isinstance(named, dict)
        found = cast(Json, named) if known else None
        if found is None:
            reading.arrival.leave(
                where, f"the assertion {reference[:80]}", "No such template stands in the file."
            )
            return None
    if found is None:
        reading.arrival.leave(where, "an assertion", "It is no map. Correct it.")
    return found


def _single(case: Case, where: str, item: Json, variables: Json, reading: Reading) -> bool:
    """Take one assertion; whether it is counted among the checks of its case."""
    arrival = reading.arrival
    found = read_assert(item, variables, reading.files)
    if isinstance(found, NotOurs):
        arrival.leave(where, found.what, found.reason)
        return False
    for one in unread(item):
        arrival.leave(where, one.what, one.reason)
    if not isinstance(found, Rubric):
        case.checks.append(found)
        return True
    case.rubrics.append(found._replace(provider=found.provider or reading.grader))
    if item.get("weight") not in (None, 1):
        arrival.leave(where, "the weight of a judged assertion", "Judges score apart here.")
    if item.get("threshold") is not None:
        arrival.leave(
            where, "the threshold of a judged assertion", "Give it to a gate: `--gate NAME>=0.8`."
        )
    return False


def _set(case: Case, where: str, item: Json, variables: Json, reading: Reading) -> bool:
    """Take a set; whether all of it is counted among the checks of its case."""
    arrival = reading.arrival
    for key in sorted(item.keys() - {"type", "assert", "threshold", "weight", "metric"}):
        arrival.leave(f"{where}.{key}", f"`{key}` of an assert-set", "It has no place here.")
    inner = item.get("assert")
    own = Case(where, case.inputs)
    counted = isinstance(inner, list) and bool(cast(list[Any], inner))
    for n, one in enumerate(cast(list[Any], inner) if isinstance(inner, list) else []):
        place = f"{where}.assert[{n}]"
        found = _resolved(place, one, reading)
        if found is not None and found.get("type") == "assert-set":
            arrival.leave(place, "a set in an assert-set", "promptfoo knows none either.")
            found = None
        counted &= found is not None and _single(own, place, found, variables, reading)
    return _add(case, where, item, own, counted, reading)


def _add(case: Case, where: str, item: Json, own: Case, counted: bool, reading: Reading) -> bool:
    threshold = item.get("threshold")
    if threshold is not None and not counted:
        reading.arrival.leave(
            where,
            "an assert-set with a threshold",
            "Some of its assertions cannot be counted here, without which it would ask for more "
            "than it did. Replace them.",
        )
        return False
    case.rubrics += own.rubrics
    checks = [one for one in own.checks if isinstance(one, Check)]
    weight, metric = item.get("weight"), item.get("metric")
    plain = threshold is None and weight in (None, 1) and not metric and case.threshold is None
    if not checks or (plain and all(one.weight == 1 for one in checks)):
        case.checks += checks
        if not checks and (metric or weight not in (None, 1)):
            reading.arrival.leave(where, "the weight or metric of an assert-set",
                                  "None of its assertions is counted here.")  # fmt: skip
        return counted
    try:
        case.checks.append(
            CheckSet.model_validate(
                {
                    "assert": checks,
                    "threshold": threshold,
                    "weight": 1 if weight is None else weight,
                    "metric": None if metric is None else str(metric),
                }
            )
        )
    except ValidationError as error:
        said = error.errors(include_url=False, include_input=False)[0]["msg"]
        said = said.removeprefix("Value error, ")[:300]
        reading.arrival.leave(where, "an assert-set", f"{said}. Correct it.")
        return False
    return counted
