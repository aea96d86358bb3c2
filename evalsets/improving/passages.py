"""Passages of a knowledge base that cases are written from, and where a case says so.

A case keeps the document's name in `relevant`, which the evaluator `context_recall` reads, and the
place in `passage`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.canonical import Json
from rag.found import FoundChunk

RELEVANT, PLACE = "relevant", "passage"
COLUMNS = (RELEVANT, PLACE)

RULES = """

Write each case from one of the numbered "passages", spread evenly over them, and name its number \
as "passage". Write "expected" from that passage alone. The question must make sense to somebody \
who does not see the passage."""


class Passage(NamedTuple):
    """A text of a document, with its place in it."""

    document: str
    place: str
    text: str


def passages(found: Iterable[FoundChunk]) -> list[Passage]:
    """Chunks that were drawn; a place is `DOCUMENT START-END` in characters."""
    return [
        Passage(one.document, f"{one.document} {one.start}-{one.end}", one.text) for one in found
    ]


def as_json(given: Sequence[Passage]) -> list[Json]:
    """What the model reads; numbers count from 1."""
    return [{"passage": n, "text": one.text} for n, one in enumerate(given, 1)]


def source(said: Json, given: Sequence[Passage]) -> dict[str, Json] | None:
    """The columns of the passage that a case names; None for a number that is none."""
    if isinstance(said, bool) or not isinstance(said, int) or not 1 <= said <= len(given):
        return None
    one = given[said - 1]
    return {RELEVANT: [one.document], PLACE: one.place}
