"""One snapshot of a base as arrays: what `search` ranks. Built once, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.lexical import Lexical
from rag.terms import unpack
from rag.vectors import Exact, Mask, Matrix, Ranking, matrix_of


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One chunk as SQL holds it.

    `document`: its number in the caller's list of documents. `vector`: float32, little endian,
    length 1. `terms`: what `terms.packed` made. `parent`: equal for children of one parent, None
    for a chunk that stands for itself.
    """

    chunk_id: str
    document: int
    vector: bytes
    terms: bytes
    parent: int | None = None


class Dense(Protocol):
    """Ranks chunks by cosine; `Exact` or a Chroma collection."""

    def top(self, query: Matrix, depth: int, among: Mask | None = None) -> Ranking: ...
    def scores_of(self, query: Matrix, chunks: NDArray[np.int64]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class BaseIndex:
    """The chunks of one base at one snapshot, in the order of their rows.

    `documents` and `parents` have one number a chunk; a parent of -1 is none.
    """

    chunk_ids: tuple[str, ...]
    documents: NDArray[np.int64]
    parents: NDArray[np.int64]
    dense: Dense
    lexical: Lexical

    @property
    def has_parents(self) -> bool:
        """Whether chunks share parents, so that hits can stand for one another."""
        return bool((self.parents >= 0).any())

    def among(self, allowed: Mask | None) -> Mask | None:
        """A mask of documents as one of chunks."""
        return None if allowed is None else allowed[self.documents]


def build_index(rows: Sequence[IndexRow], dimensions: int) -> BaseIndex:
    """Index of `rows`; raises ValueError for vectors or terms of another make."""
    return assemble(rows, Exact(matrix_of([row.vector for row in rows], dimensions)))


def assemble(rows: Sequence[IndexRow], dense: Dense) -> BaseIndex:
    """Index of `rows` whose vectors `dense` ranks, numbered as the rows are."""
    count = len(rows)
    parents = (-1 if row.parent is None else row.parent for row in rows)
    return BaseIndex(
        chunk_ids=tuple(row.chunk_id for row in rows),
        documents=np.fromiter((row.document for row in rows), np.int64, count),
        parents=np.fromiter(parents, np.int64, count),
        dense=dense,
        lexical=Lexical(unpack([row.terms for row in rows])),
    )
