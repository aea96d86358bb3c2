"""A case before it is stored, and the names of columns that mean something."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from core.canonical import Json, canonical_json
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

    @cached_property
    def hash(self) -> str:
        """Hex sha256 of the canonical JSON of all cases in order; takes a while for many."""
        digest = hashlib.sha256(b"[")
        for number, case in enumerate(self.cases):
            text = canonical_json([case.case_id, case.inputs, case.expected, case.tags, case.split])
            digest.update(f"{',' if number else ''}{text}".encode())
        digest.update(b"]")
        return digest.hexdigest()


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
