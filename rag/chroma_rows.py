"""Chunks as a Chroma collection knows them, and whether what it answers can be trusted."""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.chroma_process import ChromaProcess
from rag.vectors import Exact, Matrix, Ranking

PROBES = 16
# Chunks of equal text have equal vectors, and any of them may be found first.
PROBED = 10
# Candidates beyond the depth asked for, so that what HNSW misses or misplaces is not at the top.
CANDIDATES = 200


class ChromaRows:
    """Chunks by names that also tell their vector, so that one that changed has another name."""

    def __init__(self, chunk_ids: Sequence[str], matrix: Matrix) -> None:
        self.matrix = matrix
        self.names = [
            f"{chunk}:{zlib.crc32(vector.tobytes()):08x}"
            for chunk, vector in zip(chunk_ids, matrix, strict=True)
        ]
        self._at = {name: row for row, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def known(self, names: Iterable[str]) -> NDArray[np.int64]:
        """The rows of those names that are ours, ascending."""
        rows = (self._at.get(name) for name in names)
        return np.unique(np.array([row for row in rows if row is not None], np.int64))

    def without(self, names: Iterable[str]) -> NDArray[np.int64]:
        """The rows whose names are not among these."""
        return np.setdiff1d(np.arange(len(self), dtype=np.int64), self.known(names))

    def foreign(self, names: Iterable[str]) -> list[str]:
        """Names that are not ours."""
        return [name for name in names if name not in self._at]

    def upsert(self, process: ChromaProcess, rows: NDArray[np.int64]) -> None:
        """Put these rows into the opened collection."""
        process.upsert([self.names[row] for row in rows], self.matrix[rows])

    def finds(self, process: ChromaProcess, rows: NDArray[np.int64]) -> bool:
        """Whether some of `rows` find themselves, or an equal one, near the top."""
        if not len(rows):
            return True
        asked = rows[np.unique(np.linspace(0, len(rows) - 1, PROBES).astype(int))]
        for row, names in zip(asked, process.query(self.matrix[asked], PROBED), strict=True):
            found = self.matrix[self.known(names)] @ self.matrix[row]
            if not len(found) or float(found.max()) < 0.999:
                return False
        return True


def ranked(exact: Exact, query: Matrix, rows: NDArray[np.int64], depth: int) -> Ranking:
    """The `depth` best of `rows`, ascending ones, by exact scores."""
    scores = exact.scores_of(query, rows)
    order = np.argsort(-scores, kind="stable")[:depth]
    return Ranking(rows[order], scores[order])
