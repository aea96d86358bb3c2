"""Rows of a file become cases, or problems by line: all limits are enforced here."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from core.canonical import Json, content_hash
from core.errors import Invalid, PromptstoneError, TooLarge
from evalsets.files.cases import MAX_ID, RECOGNIZED, CaseRow, ParsedCases
from evalsets.files.fields import as_text, read_expected, read_split, read_tags
from evalsets.files.limits import (
    MAX_CELL_BYTES,
    MAX_COLUMNS,
    MAX_CONTENT_BYTES,
    MAX_ROW_BYTES,
    MAX_ROWS,
    MAX_VALUES,
    size_text,
)
from evalsets.files.tables import RawRow, RawTable


class Problem(NamedTuple):
    """Why a line (0: the file) is refused, with the remedy."""

    line: int
    message: str


class Collected(NamedTuple):
    """What could be read of a table beside what could not; `broken`: the reading ended there."""

    parsed: ParsedCases
    file_columns: list[str]
    problems: list[Problem]
    oversize: bool
    rows: int
    broken: bool = False


def collect(
    table: RawTable,
    mapping: Mapping[str, str] | None = None,
    *,
    keep: int | None = None,
    max_problems: int = 1,
) -> Collected:
    """Read `table` to its end or to the last allowed problem, keeping the first `keep` cases."""
    builder = _Builder(table.textual, dict(mapping or {}))
    cases: list[CaseRow] = []
    problems: list[Problem] = []
    oversize = broken = False
    try:
        for row in table.rows:
            try:
                case = builder.case(row)
            except Invalid as error:
                problems.append(Problem(row.line, error.message))
                if len(problems) >= max_problems:
                    broken = True
                    break
            else:
                if keep is None or len(cases) < keep:
                    cases.append(case)
        else:
            builder.finish()
    except PromptstoneError as error:
        problems.append(_file_problem(error))
        broken = True
        oversize = isinstance(error, TooLarge)
    columns = builder.columns
    parsed = ParsedCases(cases, columns, table.encoding, table.format, [*table.notices])
    return Collected(parsed, list(builder.seen), problems, oversize, builder.rows, broken)


def _file_problem(error: PromptstoneError) -> Problem:
    head, _, rest = error.message.partition(": ")
    number = head.removeprefix("line ")
    return Problem(int(number), rest) if number.isdigit() else Problem(0, error.message)


class _Builder:
    """State over the rows of one file: ids given, ordinals of equal inputs, totals."""

    def __init__(self, textual: bool, mapping: dict[str, str]) -> None:
        self._textual = textual
        self._mapping = mapping
        self._sources = set(mapping.values())
        self._lines: dict[str, int] = {}
        self._ordinals: Counter[str] = Counter()
        self._bytes = self._values = 0
        self.seen: dict[str, None] = {}
        self._renamed: dict[str, None] = {}
        self._clash: str | None = None
        self.rows = 0

    @property
    def columns(self) -> list[str]:
        return [name for name in self._renamed if name not in RECOGNIZED]

    def case(self, row: RawRow) -> CaseRow:
        self.rows += 1
        if self.rows > MAX_ROWS:
            raise TooLarge(f"line {row.line}: more than {MAX_ROWS:,} cases. Split the file")
        if row.problem is not None:
            raise Invalid(row.problem)
        self.seen.update(dict.fromkeys(row.values))
        values = self._rename(row.values, row.line)
        self._renamed.update(dict.fromkeys(values))
        self._count(values, row.line)
        inputs = {name: value for name, value in values.items() if name not in RECOGNIZED}
        return CaseRow(
            case_id=self._case_id(values.get("id"), inputs, row.line),
            inputs=inputs,
            expected=read_expected(values.get("expected"), self._textual),
            tags=read_tags(values.get("tags")),
            split=read_split(values.get("split")),
            line=row.line,
        )

    def finish(self) -> None:
        """What can only be told at the end: columns that never came, a file without cases."""
        missing = [column for column in self._sources if column not in self.seen]
        if self.rows == 0:
            raise Invalid("the file holds no case. Put at least one row under the header")
        if missing:
            raise Invalid(
                f"no column is called {missing[0]!r}. Map one of: {', '.join(self.seen)}"[:500]
            )
        if self._clash:
            raise Invalid(self._clash)

    def _rename(self, values: dict[str, Json], line: int) -> dict[str, Json]:
        if not self._mapping:
            return values
        kept = {name: value for name, value in values.items() if name not in self._sources}
        for variable, column in self._mapping.items():
            if variable in kept:
                clash = (
                    f"column {column!r} cannot become {variable!r}, which is a column already. "
                    f"Rename that one too, with --map other={variable}"
                )
                if column in self.seen:
                    raise Invalid(clash)
                self._clash = self._clash or f"line {line}: {clash}"
            if column in values:
                kept[variable] = values[column]
        return kept

    def _count(self, values: dict[str, Json], line: int) -> None:
        """Enforce the sizes, and that every value can be stored and sent as JSON."""
        try:
            size = len(packed := orjson.dumps(values))
        except TypeError as error:
            raise Invalid(unstorable(values, str(error))) from None
        if size > MAX_CELL_BYTES:
            _check_cells(values, size)
        self._bytes += size
        nested = any(isinstance(value, (list, dict)) for value in values.values())
        self._values += packed.count(b",") if nested else len(values)
        if self._bytes > MAX_CONTENT_BYTES or self._values > MAX_VALUES:
            raise TooLarge(
                f"line {line}: up to here the cases hold more than {size_text(MAX_CONTENT_BYTES)} "
                f"or {MAX_VALUES:,} values. Split the file"
            )
        if len(self._renamed) > MAX_COLUMNS:
            raise TooLarge(f"line {line}: more than {MAX_COLUMNS} columns. Remove some")

    def _case_id(self, given: Json, inputs: dict[str, Json], line: int) -> str:
        if given is None or given == "":
            digest = content_hash(inputs)[:12]
            self._ordinals[digest] += 1
            ordinal = self._ordinals[digest]
            name = digest if ordinal == 1 else f"{digest}-{ordinal}"
        elif isinstance(given, (list, dict)) or len(name := as_text(given)) > MAX_ID:
            raise Invalid(f"id must be a text of at most {MAX_ID} characters. Shorten it")
        elif "\x00" in name:
            raise Invalid("id holds a NUL character. Remove it")
        if name in self._lines:
            first = self._lines[name]
            raise Invalid(f"id {name!r} stands on line {first} already. Make ids differ")
        self._lines[name] = line
        return name


def unstorable(values: dict[str, Json], error: str) -> str:
    """Why the database cannot hold these values, from what orjson said of them."""
    name = next((key for key, value in values.items() if not _dumps(value)), "")
    if "surrogate" in error or "UTF-8" in error:
        return f"column {name!r} holds half a character (a lone surrogate). Correct the text"
    if "Recursion" in error:
        return f"column {name!r} is nested too deep. Keep at most 200 levels"
    return f"column {name!r} holds a number beyond 64 bits. Write it as text"


def _dumps(value: Json) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def _check_cells(values: dict[str, Json], size: int) -> None:
    for name, value in values.items():
        if len(orjson.dumps(value)) > MAX_CELL_BYTES:
            limit = size_text(MAX_CELL_BYTES)
            raise Invalid(f"column {name!r} has more than {limit} in one cell. Shorten it")
    if size > MAX_ROW_BYTES:
        raise Invalid(f"the row has more than {size_text(MAX_ROW_BYTES)}. Shorten it")
