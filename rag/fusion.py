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


# What lies beyond the depth is only put in order, behind and between equals.
TAIL = 1e-4


def fuse(lists: Sequence[Weighted], k: float, depth: int) -> Ranking:
    """All chunks of the lists by fused score, as a share of what first place in every list gives.

    Ranks beyond `depth` count next to nothing: chunks in the middle of both lists would else push
    out those near the top of one. So how long the lists are does not change who comes first. Equal
    scores stand in the order of the chunks.
    """
    whole = sum(weight for _, weight in lists) / (k + 1)
    chunks = np.unique(np.concatenate([ranking.chunks for ranking, _ in lists]))
    total: NDArray[np.float64] = np.zeros(len(chunks))
    for ranking, weight in lists:
        ranks = np.arange(1, len(ranking.chunks) + 1)
        gains = weight / (k + ranks)
        gains[depth:] *= TAIL
        total[np.searchsorted(chunks, ranking.chunks)] += gains
    scores = total / whole if whole else total
    order = np.argsort(-scores, kind="stable")
    return Ranking(chunks[order], scores[order].astype(np.float32))
