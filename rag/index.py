"""One snapshot of a base as arrays: what `search` ranks. Built once, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.chroma_dense import ChromaDense
from rag.chroma_server import ChromaServed
from rag.chroma_shared import Place
from rag.lexical import Lexical
from rag.terms import unpack
from rag.vectors import Exact, Mask, Matrix, Ranking, matrix_of

# Below, reading all vectors takes no longer than Chroma does, and filters cost nothing.
CHROMA_FROM = 100_000


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
    """Ranks chunks by cosine: `Exact`, Chroma's files of our own, or a Chroma server."""

    def top(self, query: Matrix, depth: int, among: Mask | None = None) -> Ranking: ...
    def scores_of(self, query: Matrix, chunks: NDArray[np.int64]) -> NDArray[np.float32]: ...
    def close(self) -> None: ...


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

    @cached_property
    def has_parents(self) -> bool:
        """Whether chunks share parents, so that hits can stand for one another."""
        return bool((self.parents >= 0).any())

    def close(self) -> None:
        """Give up what the dense index holds besides memory; searches still work."""
        self.dense.close()

    def among(self, allowed: Mask | None) -> Mask | None:
        """A mask of documents as one of chunks."""
        return None if allowed is None else allowed[self.documents]


def build_index(
    rows: Sequence[IndexRow],
    dimensions: int,
    *,
    home: Path | Place | None = None,
    chroma_from: int = CHROMA_FROM,
) -> BaseIndex:
    """Index of `rows`; raises ValueError for vectors or terms of another make.

    With a `home`, a folder of its own or a place on a server, a base of `chroma_from` chunks or
    more is searched through Chroma.
    """
    count = len(rows)
    matrix = matrix_of([row.vector for row in rows], dimensions)
    dense: Dense = Exact(matrix)
    if home is not None and count >= chroma_from:
        dense = _large(home, [row.chunk_id for row in rows], matrix)
    parents = (-1 if row.parent is None else row.parent for row in rows)
    return BaseIndex(
        chunk_ids=tuple(row.chunk_id for row in rows),
        documents=np.fromiter((row.document for row in rows), np.int64, count),
        parents=np.fromiter(parents, np.int64, count),
        dense=dense,
        lexical=Lexical(unpack([row.terms for row in rows])),
    )


def _large(home: Path | Place, chunk_ids: Sequence[str], matrix: Matrix) -> Dense:
    if isinstance(home, Path):
        return ChromaDense(home, chunk_ids, matrix)
    return ChromaServed(home, chunk_ids, matrix)
