"""One query over one index: dense, lexical or both by reciprocal rank fusion, and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import Invalid
from rag.fusion import Weighted, fuse
from rag.index import BaseIndex
from rag.search_settings import SearchSettings
from rag.terms import Term, query_terms
from rag.vectors import Mask, Matrix, Ranking, best

NOTHING = Ranking(np.zeros(0, np.int64), np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class Hit:
    """One chunk found. Ranks count from 1; a rank or score is None where that list lacks it.

    `score`: as `SearchSettings.min_score` says. `terms`: the query's words that stand in it.
    """

    chunk_id: str
    document: int
    score: float
    rank: int
    dense_rank: int | None = None
    lexical_rank: int | None = None
    dense_score: float | None = None
    lexical_score: float | None = None
    rerank_score: float | None = None
    terms: tuple[str, ...] = ()


class _Found(NamedTuple):
    """What both lists say about a query; a list that was not asked is empty."""

    terms: list[Term]
    lexical_scores: NDArray[np.float32]
    lexical: Ranking
    dense: Ranking


def search(
    index: BaseIndex,
    query: str,
    query_vector: Matrix | None,
    settings: SearchSettings,
    allowed: Mask | None = None,
    *,
    dense_trust: float = 1.0,
) -> list[Hit]:
    """The best chunks of the documents that `allowed` (one bool a document) lets through.

    `query_vector`: shape (dimensions,), length 1; only lexical search does without. `dense_trust`
    scales the dense list's weight (see `trust`). With `rerank` as many hits come back as the
    cross-encoder reads; `reranked` then orders and cuts them. Raises Invalid.
    """
    if query_vector is None and settings.mode != "lexical":
        raise Invalid(f"A {settings.mode} search needs the query's vector. Use the mode lexical.")
    if not index.chunk_ids:
        return []
    found = _find(index, query, query_vector, settings, index.among(allowed))
    ranking = _ranked(found, settings, dense_trust)
    if settings.one_per_parent:
        ranking = _first_of_each(ranking, index.parents)
    wanted = settings.top_k
    if settings.rerank:
        wanted = max(wanted, settings.rerank_depth)
    elif settings.min_score is not None:
        ranking = _cut(ranking, ranking.scores >= settings.min_score)
    return _hits(index, _cut(ranking, slice(wanted)), found, query_vector)


def reranked(
    hits: Sequence[Hit], scores: NDArray[np.float32], settings: SearchSettings
) -> list[Hit]:
    """The hits by their cross-encoder's `scores` (one a hit), cut to `top_k` and `min_score`."""
    order = np.argsort(-scores, kind="stable")
    best_first = [(hits[at], float(scores[at])) for at in order.tolist()]
    least = settings.min_score
    kept = [pair for pair in best_first if least is None or pair[1] >= least][: settings.top_k]
    return [
        replace(hit, score=score, rerank_score=score, rank=rank)
        for rank, (hit, score) in enumerate(kept, 1)
    ]


def _find(
    index: BaseIndex,
    query: str,
    vector: Matrix | None,
    settings: SearchSettings,
    among: Mask | None,
) -> _Found:
    terms = query_terms(query)
    scores = index.lexical.scores([term.term for term in terms])
    depth = max(settings.depth, settings.top_k, settings.rerank_depth if settings.rerank else 0)
    parents = index.parents if settings.one_per_parent and index.has_parents else None
    lexical = dense = NOTHING
    if settings.mode != "dense":
        standing = scores > 0 if among is None else (scores > 0) & among
        lexical = _deep(lambda count: best(scores, count, standing), depth, parents)
    if vector is not None and settings.mode != "lexical":
        dense = _deep(lambda count: index.dense.top(vector, count, among), depth, parents)
    return _Found(terms, scores, lexical, dense)


def _deep(top: Callable[[int], Ranking], depth: int, parents: NDArray[np.int64] | None) -> Ranking:
    """A list so deep that `depth` hits are left when one child of each parent is."""
    count = depth
    while True:
        ranking = top(count)
        if parents is None or len(ranking.chunks) < count:
            return ranking
        if len(_first_of_each(ranking, parents).chunks) >= depth:
            return ranking
        count *= 4


def _ranked(found: _Found, settings: SearchSettings, dense_trust: float) -> Ranking:
    if settings.mode == "dense":
        return found.dense
    if settings.mode == "lexical":
        return found.lexical
    lists = [
        Weighted(found.dense, settings.dense_weight * dense_trust),
        Weighted(found.lexical, settings.lexical_weight),
    ]
    return fuse([one for one in lists if one.weight > 0], settings.rrf_k, settings.depth)


def _first_of_each(ranking: Ranking, parents: NDArray[np.int64]) -> Ranking:
    """Of the children of one parent only the best."""
    family = parents[ranking.chunks]
    alone = family < 0
    _, firsts = np.unique(family, return_index=True)
    kept = alone.copy()
    kept[firsts] = True
    return _cut(ranking, kept)


def _cut(ranking: Ranking, kept: NDArray[np.bool_] | slice) -> Ranking:
    return Ranking(ranking.chunks[kept], ranking.scores[kept])


def _hits(index: BaseIndex, ranking: Ranking, found: _Found, vector: Matrix | None) -> list[Hit]:
    chunks = ranking.chunks
    dense_ranks, lexical_ranks = _ranks(found.dense, chunks), _ranks(found.lexical, chunks)
    cosines = None if vector is None else index.dense.scores_of(vector, chunks).tolist()
    lexical_scores = found.lexical_scores[chunks].tolist()
    stands: dict[str, NDArray[np.bool_]] = {}
    for term in found.terms:
        having = index.lexical.having(term.term, chunks)
        stands[term.word] = stands.get(term.word, False) | having
    return [
        Hit(
            chunk_id=index.chunk_ids[chunk],
            document=int(index.documents[chunk]),
            score=score,
            rank=at + 1,
            dense_rank=dense_ranks[at],
            lexical_rank=lexical_ranks[at],
            dense_score=None if cosines is None else cosines[at],
            lexical_score=lexical_scores[at] or None,
            terms=tuple(word for word, having in stands.items() if having[at]),
        )
        for at, (chunk, score) in enumerate(
            zip(chunks.tolist(), ranking.scores.tolist(), strict=True)
        )
    ]


def _ranks(ranking: Ranking, chunks: NDArray[np.int64]) -> list[int | None]:
    """The rank of each of `chunks` in the list, None where it is not in it."""
    place = {chunk: rank for rank, chunk in enumerate(ranking.chunks.tolist(), 1)}
    return [place.get(chunk) for chunk in chunks.tolist()]
