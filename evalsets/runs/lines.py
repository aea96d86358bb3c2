"""Reading outputs that were made elsewhere: JSONL lines {arm, case_id, inputs, output, …}.

Nothing is interpreted in an arm's name. A wrong line is named, and nothing of the file is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import orjson

from core.canonical import Json, canonical_json
from core.encodings import detect_encoding
from core.errors import Invalid
from evalsets.files.cases import MAX_ID, CaseRow, ParsedCases
from evalsets.files.collecting import unstorable
from evalsets.files.fields import as_text
from evalsets.files.jsonrows import read_json
from evalsets.files.tables import RawRow

MAX_ARM = 512
MAX_REPEATS = 1000


class ImportedScore(NamedTuple):
    """A score given elsewhere, as `evalsets.evaluators.subjects.Score`."""

    value: float | None
    reason: str


class ImportedFigures(NamedTuple):
    """What was measured where an output was made; `cost` in US dollars, scores by name."""

    latency_ms: float | None = None
    cost: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    scores: Mapping[str, ImportedScore] = MappingProxyType({})


class ImportedOutput(NamedTuple):
    """An output, or an error, of an arm for a case; `case` and `arm` count from 0."""

    arm: int
    case: int
    repeat: int
    output: str | None
    tool_calls: list[Json] | None
    error: str | None
    figures: ImportedFigures = ImportedFigures()


@dataclass
class ImportedRun:
    """A whole file that was good."""

    arms: list[str] = field(default_factory=list[str])
    cases: list[CaseRow] = field(default_factory=list[CaseRow])
    outputs: list[ImportedOutput] = field(default_factory=list[ImportedOutput])

    @property
    def repeats(self) -> int:
        """The highest repeat."""
        return max(one.repeat for one in self.outputs)

    def parsed(self) -> ParsedCases:
        """The cases as a data set version."""
        columns = dict.fromkeys(name for case in self.cases for name in case.inputs)
        return ParsedCases(self.cases, list(columns), "utf-8", "jsonl", [])


def read_run_lines(path: Path) -> ImportedRun:
    """Parse and check a file; raises Invalid with the line and what to correct."""
    try:
        with path.open("rb") as file:
            reader = _Reader(path.name)
            for row in read_json(file, detect_encoding(file)).rows:
                reader.take(row)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}. Check its name.") from error
    if not reader.found.outputs:
        raise Invalid(f"{path.name} holds no line. Write one JSON object a line, an output each.")
    return reader.found


class _Reader:
    """Lines that were good so far, and where arms, cases and cells were first seen."""

    def __init__(self, name: str) -> None:
        self.found = ImportedRun()
        self._name = name
        self._arms: dict[str, int] = {}
        self._cases: dict[str, int] = {}
        self._cells: dict[tuple[int, int, int], int] = {}

    def take(self, row: RawRow) -> None:
        """Add a line; raises Invalid."""
        if row.problem is not None:
            raise self._wrong(row.line, row.problem)
        values = row.values
        try:
            orjson.dumps(values)
        except TypeError as error:
            raise self._wrong(row.line, unstorable(values, str(error))) from None
        arm = self._arm(row.line, values.get("arm"))
        case = self._case(row.line, values)
        repeat = values.get("repeat")
        repeat = 1 if repeat is None else repeat
        if not isinstance(repeat, int) or isinstance(repeat, bool) or not 0 < repeat <= MAX_REPEATS:
            raise self._wrong(row.line, f"repeat is no whole number from 1 to {MAX_REPEATS}")
        earlier = self._cells.setdefault((arm, case, repeat), row.line)
        if earlier != row.line:
            raise self._wrong(
                row.line,
                f"this arm, case_id and repeat stand in line {earlier} already; number the repeats",
            )
        self.found.outputs.append(self._output(row.line, values, arm, case, repeat))

    def _output(
        self, line: int, values: dict[str, Json], arm: int, case: int, repeat: int
    ) -> ImportedOutput:
        output, error, calls = values.get("output"), values.get("error"), values.get("tool_calls")
        if isinstance(output, (dict, list)):
            output = canonical_json(output)
        failed = output is None and isinstance(error, str) and bool(error)
        if not (isinstance(output, str) or failed):
            raise self._wrong(line, "output is no text (or, without one, error)")
        if calls is not None and not isinstance(calls, list):
            raise self._wrong(line, "tool_calls is no list")
        text = output if isinstance(output, str) else None
        return ImportedOutput(
            arm, case, repeat, text, list(calls) if calls else None, str(error) if failed else None
        )

    def _arm(self, line: int, name: Json) -> int:
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_ARM:
            raise self._wrong(line, f"arm is no text of 1 to {MAX_ARM} characters")
        if name not in self._arms:
            self._arms[name] = len(self.found.arms)
            self.found.arms.append(name)
        return self._arms[name]

    def _case(self, line: int, values: dict[str, Json]) -> int:
        case_id, inputs = values.get("case_id"), values.get("inputs")
        if isinstance(case_id, int) and not isinstance(case_id, bool):
            case_id = str(case_id)
        if not isinstance(case_id, str) or not 0 < len(case_id) <= MAX_ID:
            raise self._wrong(line, f"case_id is no text of 1 to {MAX_ID} characters")
        if "\x00" in case_id:
            raise self._wrong(line, "case_id holds a NUL character")
        if not isinstance(inputs, dict):
            raise self._wrong(line, "inputs is no object of names and values")
        expected = values.get("expected")
        text = None if expected is None else as_text(expected)
        place = self._cases.get(case_id)
        if place is None:
            self._cases[case_id] = len(self.found.cases)
            self.found.cases.append(CaseRow(case_id, dict(inputs), text, line=line))
            return self._cases[case_id]
        self._check_same(line, place, inputs, text)
        return place

    def _check_same(
        self, line: int, place: int, inputs: dict[str, Json], expected: str | None
    ) -> None:
        known = self.found.cases[place]
        if canonical_json(known.inputs) != canonical_json(inputs):
            raise self._wrong(line, f"this case_id has other inputs in line {known.line}")
        if expected is not None and known.expected is None:
            self.found.cases[place] = CaseRow(
                known.case_id, known.inputs, expected, line=known.line
            )
        elif expected is not None and expected != known.expected:
            raise self._wrong(line, f"this case_id has another expected in line {known.line}")

    def _wrong(self, line: int, what: str) -> Invalid:
        remedy = "" if ". " in what else " Correct the line."
        return Invalid(f"{self._name}, line {line}: {what.rstrip('.')}.{remedy}")
