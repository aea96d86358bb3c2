"""Cases with their assertions as a data set and evaluators.

An assertion that every case has is an evaluator of its own where one means exactly it. Where each
case has one of a kind with a value of its own, the value is the case's expected output. All others
stand in the column `checks` of their case, which the evaluator `checks` reads.
"""

from collections import Counter
from dataclasses import dataclass
from typing import cast

from core.canonical import Json, canonical_json
from evalsets.evaluators.checks import Check, Checks, CheckSet
from evalsets.evaluators.judge import Judge
from evalsets.evaluators.kinds import Evaluator
from evalsets.evaluators.specs import named
from evalsets.files.cases import MAX_ID, ParsedCases
from evalsets.files.collecting import collect
from evalsets.files.tables import RawRow, RawTable
from evalsets.foreign.arrival import Arrival
from evalsets.foreign.promptfoo.assert_evaluators import BY_EXPECTED, as_evaluator
from evalsets.foreign.promptfoo.asserts import Rubric
from evalsets.foreign.promptfoo.case import Case
from evalsets.verdicts.gates import FIGURES


@dataclass(frozen=True)
class Assembled:
    """Cases, and what scores them; judges still name the configuration's provider."""

    parsed: ParsedCases
    evaluators: list[Evaluator]
    judged: list[Rubric]
    rubric: str = "rubric"


def assembled(cases: list[Case], arrival: Arrival) -> Assembled:
    """Rows of a data set, and what scores them."""
    evaluators = _shared(cases)
    expected = _by_expected(cases, evaluators)
    column = _free_column(cases, "checks")
    own = not expected and any(case.checks for case in cases)
    if own:
        evaluators.append(Checks(column=column))
    judged = _judges(cases, evaluators, arrival)
    rubric = _free_column(cases, "rubric")
    rows = [_row(case, expected, column, rubric) for case in cases]
    _distinct(rows)
    table = RawTable("promptfoo", iter([RawRow(n, row) for n, row in enumerate(rows, 1)]))
    found = collect(table, max_problems=len(rows) + 1)
    for line, message in found.problems:
        place = cases[line - 1].where if line else "tests"
        arrival.leave(place, "a test", f"{message.rstrip('.')}.")
    return Assembled(found.parsed, named(evaluators), judged, rubric)


def _shared(cases: list[Case]) -> list[Evaluator]:
    """Take out of all cases what all of them have, unless weights or thresholds tie it together."""
    tied = any(
        case.threshold is not None or any(check.weight != 1 for check in case.checks)
        for case in cases
    )
    if tied:
        return []
    counts = Counter(key for case in cases for key in {_key(check) for check in case.checks})
    found: dict[str, Evaluator] = {}
    for check in cases[0].checks:
        evaluator = as_evaluator(check)
        if evaluator is not None and counts[_key(check)] == len(cases):
            found[_key(check)] = evaluator.model_copy(update={"name": _metric(check.metric)})
    for case in cases:
        case.checks = [check for check in case.checks if _key(check) not in found]
    return _with_distinct_names(list(found.values()))


def _with_distinct_names(evaluators: list[Evaluator]) -> list[Evaluator]:
    seen: set[str] = set()
    made: list[Evaluator] = []
    for one in evaluators:
        name = one.name if one.name not in seen else None
        seen |= {name} if name else set()
        made.append(one.model_copy(update={"name": name}))
    return made


def _key(check: Check | CheckSet) -> str:
    return canonical_json(check.row())


def _metric(name: str | None) -> str | None:
    """A metric's name as far as it fits the name of an evaluator."""
    if name is None:
        return None
    text = "".join(char if char.isalnum() or char in "_.-" else " " for char in name)
    found = " ".join(text.split())[:64].strip()
    return found if found and found not in FIGURES else None


def _by_expected(cases: list[Case], evaluators: list[Evaluator]) -> bool:
    """Whether the cases' own values become expected outputs; adds what compares with them."""
    kinds = {check.type for case in cases for check in case.checks}
    kind = next(iter(kinds)) if len(kinds) == 1 else ""
    fits = kind in BY_EXPECTED and all(
        len(case.checks) <= 1
        and case.threshold is None
        and "expected" not in case.inputs
        and all(
            isinstance(c, Check) and c.weight == 1 and isinstance(c.value, str) for c in case.checks
        )
        for case in cases
    )
    if fits:
        metrics = {check.metric for case in cases for check in case.checks}
        name = _metric(metrics.pop()) if len(metrics) == 1 else None
        taken = {one.name for one in evaluators}
        made = BY_EXPECTED[kind]
        evaluators.append(made.model_copy(update={"name": None if name in taken else name}))
    return fits


def _free_column(cases: list[Case], name: str) -> str:
    used = {key for case in cases for key in case.inputs}
    while name in used:
        name += "_"
    return name


def _judges(cases: list[Case], evaluators: list[Evaluator], arrival: Arrival) -> list[Rubric]:
    """A judge for each rubric that all cases have; the others are left to their cases."""
    counts = Counter(rubric for case in cases for rubric in set(case.rubrics))
    shared = [one for one in dict.fromkeys(cases[0].rubrics) if counts[one] == len(cases)]
    taken = {one.name for one in evaluators}
    for rubric in shared:
        name = _metric(rubric.metric)
        evaluators.append(
            Judge(
                rubric=rubric.text,
                model=rubric.provider,
                name=None if name in taken else name,
            )
        )
        taken.add(name)
    for case in cases:
        case.rubrics = [one for one in case.rubrics if one not in shared]
        for extra in case.rubrics[1:]:
            arrival.leave(
                case.where,
                f"the rubric {extra.text[:80]!r}",
                "A case has one rubric of its own here. Join them into one.",
            )
    return [case.rubrics[0] for case in cases if case.rubrics]


def _row(case: Case, expected: bool, column: str, rubric: str) -> dict[str, Json]:
    row: dict[str, Json] = dict(case.inputs)
    if case.title:
        row["id"] = case.title[: MAX_ID - 8]
    if case.split:
        row["split"] = case.split
    if case.tags:
        row["tags"] = list(case.tags)
    if case.checks and expected:
        row["expected"] = cast(str, cast(Check, case.checks[0]).value)
    elif case.checks:
        checks: list[Json] = [check.row() for check in case.checks]
        row[column] = (
            checks if case.threshold is None else {"checks": checks, "threshold": case.threshold}
        )
    if case.rubrics:
        row[rubric] = case.rubrics[0].text
    return row


def _distinct(rows: list[dict[str, Json]]) -> None:
    """Number descriptions that stand twice, as the combinations of one test do."""
    taken: set[str] = set()
    given = {str(row["id"]) for row in rows if "id" in row}
    for row in rows:
        if "id" not in row:
            continue
        title = made = str(row["id"])
        number = 1
        while made in taken or (number > 1 and made in given):
            number += 1
            made = f"{title} ({number})"
        taken.add(made)
        row["id"] = made
