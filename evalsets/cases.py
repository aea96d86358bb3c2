"""A case before it is stored, and the names of columns that mean something."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from core.canonical import Json
from core.errors import Invalid

Split = Literal["dev", "test", "holdout", "train"]
SPLITS: tuple[str, ...] = get_args(Split)
RECOGNIZED = ("id", "tags", "split", "expected")
MAX_ID = 256
MAX_TAG = 128


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case before it is stored; `line` counts from 1 in its file, 0 where there is none."""

    case_id: str
    inputs: dict[str, Json]
    expected: str | None = None
    tags: list[str] = field(default_factory=list[str])
    split: Split | None = None
    line: int = 0


@dataclass(frozen=True)
class ParsedCases:
    """A whole file that was good; `columns` are the names of the inputs in order of appearance."""

    cases: list[CaseRow]
    columns: list[str]
    encoding: str | None
    format: str
    notices: list[str]


def column_map(pairs: Sequence[str], expected: str | None = None) -> dict[str, str]:
    """`VARIABLE=COLUMN` texts and the column of the expected output as {variable: column}."""
    found: dict[str, str] = {}
    for pair in [*pairs, *([f"expected={expected}"] if expected else [])]:
        variable, equals, column = pair.partition("=")
        if not (variable and equals and column):
            raise Invalid(f"{pair!r} is no mapping. Write VARIABLE=COLUMN.", param="map")
        if found.setdefault(variable, column) != column:
            raise Invalid(
                f"{variable!r} is mapped to {found[variable]!r} and to {column!r}. Keep one.",
                param="map",
            )
    return found


def iter_values(case: CaseRow) -> Iterator[tuple[str, Json]]:
    """The case as a flat row, the way files hold it; recognized columns first."""
    yield "id", case.case_id
    yield "tags", list(case.tags)
    yield "split", case.split
    yield "expected", case.expected
    yield from case.inputs.items()
