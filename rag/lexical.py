"""BM25 over postings in NumPy: exact scores of every chunk for a query, in well under 1 ms.

score(D, Q) = Σ_{t in Q} idf(t) · f_tD / (f_tD + k1 (1 − b + b |D| / mean |D|))
idf(t) = ln(1 + (N − n_t + 0.5) / (n_t + 0.5))

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
never negative idf of Lucene and without the constant factor k1 + 1, as Lucene since version 8
(Kamphuis et al., "Which BM25 Do You Mean?", 2020).

b = 0.75 is everybody's default. k1 = 1.8 is in the upper part of the 1.2 to 2 that Robertson and
Zaragoza recommend: with pieces of 256 tokens it measured as good or better than 1.2 and 1.5 on
English and Chinese judged sets alike, by up to 2 %.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.terms import Packed, term_hash

K1 = 1.8
B = 0.75
Scores = NDArray[np.float32]


class Lexical:
    """Postings by term: chunk numbers and what the term adds to their score."""

    def __init__(self, packed: Packed) -> None:
        """`packed`: the terms of chunks 0, 1, ... (see `terms.unpack`)."""
        self.chunks = len(packed.lengths)
        owner = np.repeat(np.arange(self.chunks, dtype=np.int32), packed.lengths)
        # Within a chunk hashes ascend, so a stable sort leaves each posting list in chunk order.
        order = np.argsort(packed.hashes, kind="stable")
        self._terms, self._starts = np.unique(packed.hashes[order], return_index=True)
        self._ends = np.append(self._starts[1:], len(order))
        self._owners = owner[order]
        frequency = packed.counts[order].astype(np.float32)
        norm = self._norms(owner, packed)[self._owners]
        having = (self._ends - self._starts).astype(np.float64)
        idf = np.log1p((self.chunks - having + 0.5) / (having + 0.5)).astype(np.float32)
        shares = frequency / (frequency + norm)
        gains = np.repeat(idf, self._ends - self._starts) * shares
        self._gains = gains.astype(np.float32, copy=False)

    def _norms(self, owner: NDArray[np.int32], packed: Packed) -> Scores:
        size = np.bincount(owner, weights=packed.counts, minlength=self.chunks)
        mean = max(float(size.mean()), 1.0) if self.chunks else 1.0
        return (K1 * (1 - B + B * size / mean)).astype(np.float32)

    def scores(self, terms: Sequence[str]) -> Scores:
        """The score of each chunk, shape (chunks,); 0 for a chunk without any of the terms."""
        total = np.zeros(self.chunks, np.float32)
        for term in terms:
            chunks, gains = self._postings(term)
            total[chunks] += gains
        return total

    def having(self, term: str, chunks: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each of `chunks`, whether the term stands in it."""
        found, _ = self._postings(term)
        if not len(found):
            return np.zeros(len(chunks), bool)
        at = np.searchsorted(found, chunks)
        return found[np.minimum(at, len(found) - 1)] == chunks

    def _postings(self, term: str) -> tuple[NDArray[np.int32], Scores]:
        hashed = np.uint64(term_hash(term))
        at = int(np.searchsorted(self._terms, hashed))
        if at == len(self._terms) or self._terms[at] != hashed:
            return self._owners[:0], self._gains[:0]
        span = slice(self._starts[at], self._ends[at])
        return self._owners[span], self._gains[span]
