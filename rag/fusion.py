"""Reciprocal rank fusion: two rankings joined by rank, so that their scores need no common scale.

RRF(d) = Σ_i w_i / (k + rank_i(d)); Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion
outperforms Condorcet and individual Rank Learning Methods" (SIGIR 2009), with a weight per list.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rag.vectors import Ranking


class Weighted(NamedTuple):
    """One list of the fusion."""

    ranking: Ranking
    weight: float


def fuse(lists: Sequence[Weighted], k: float) -> Ranking:
    """All chunks of the lists by fused score, as a share of what first place in every list gives.

    Equal scores stand in the order of the chunks.
    """
    whole = sum(weight for _, weight in lists) / (k + 1)
    chunks = np.unique(np.concatenate([ranking.chunks for ranking, _ in lists]))
    total: NDArray[np.float64] = np.zeros(len(chunks))
    for ranking, weight in lists:
        ranks = np.arange(1, len(ranking.chunks) + 1)
        total[np.searchsorted(chunks, ranking.chunks)] += weight / (k + ranks)
    scores = (total / whole if whole else total).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    return Ranking(chunks[order], scores[order])
