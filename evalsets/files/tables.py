"""What every reader of a data set file yields: named values by line, nothing interpreted yet."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from core.canonical import Json


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it stands in the file; `problem` says why it cannot become a case."""

    line: int
    values: dict[str, Json]
    problem: str | None = None


@dataclass(frozen=True)
class RawTable:
    """A file being read: `rows` is lazy and adds to `notices` on the way.

    Iterating raises Invalid or TooLarge for what spoils the file as a whole. `textual` tells that
    cells are texts without type, so that an empty one may mean "nothing".
    """

    format: str
    rows: Iterator[RawRow]
    encoding: str | None = None
    textual: bool = False
    notices: list[str] = field(default_factory=list[str])
