"""Exact dense search: the cosine of a query with every chunk, by one matrix product."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Below this share of allowed chunks, copying their rows is cheaper than reading all rows.
GATHER_SHARE = 0.1
Matrix = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Ranking(NamedTuple):
    """The best chunks of one list, best first; equal scores in the order of the chunks."""

    chunks: NDArray[np.int64]
    scores: NDArray[np.float32]


def matrix_of(vectors: Sequence[bytes], dimensions: int) -> Matrix:
    """Little endian float32 vectors as rows; raises ValueError when one has another length."""
    if any(len(vector) != 4 * dimensions for vector in vectors):
        raise ValueError("a vector has another number of dimensions")
    return np.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), dimensions)


def best(scores: NDArray[np.float32], depth: int, among: Mask | None = None) -> Ranking:
    """The `depth` highest scores, of the chunks in `among` if given."""
    where = None if among is None else np.flatnonzero(among)
    found = scores if where is None else scores[where]
    if len(found) > depth:
        edge = np.partition(found, len(found) - depth)[len(found) - depth]
        kept = np.flatnonzero(found >= edge)
    else:
        kept = np.arange(len(found))
    kept = kept[np.argsort(-found[kept], kind="stable")][:depth]
    return Ranking(kept if where is None else where[kept], found[kept])


class Exact:
    """All vectors of a base in memory: 1.5 kB a chunk at 384 dimensions."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix

    def top(self, query: Matrix, depth: int, among: Mask | None = None) -> Ranking:
        """The `depth` chunks most like the query, of those in `among`; scores are cosines."""
        if among is None:
            return best(self._matrix @ query, depth)
        allowed = np.flatnonzero(among)
        if len(allowed) > GATHER_SHARE * len(self._matrix):
            return best(self._matrix @ query, depth, among)
        found = best(self._matrix[allowed] @ query, depth)
        return Ranking(allowed[found.chunks], found.scores)

    def scores_of(self, query: Matrix, chunks: NDArray[np.int64]) -> NDArray[np.float32]:
        """The cosine of the query with each of `chunks`."""
        return self._matrix[chunks] @ query

    def close(self) -> None:
        """Nothing is held but memory."""
