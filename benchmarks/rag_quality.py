"""nDCG@10 of our modes on judged sets, beside bm25s, SQLite FTS5 and the float32 model."""

from collections.abc import Sequence

import numpy as np

from benchmarks.figures import at_least
from benchmarks.peers import Rank, bm25s_rank, fts5_rank
from benchmarks.rag_data import JudgedSet
from evalsets.statistics.retrieval import retrieval
from rag.embedders import open_embedder, read_embedder
from rag.index import BaseIndex, IndexRow, build_index
from rag.search import search
from rag.search_settings import SearchSettings
from rag.terms import packed

# The reference BM25 of the data folder's README.
REFERENCE = {"retrieval_dbpedia": 0.328, "rag_anthropic_docs": 0.670, "retrieval_cmrc2018": 0.984}


def measure_quality(sets: Sequence[JudgedSet]) -> None:
    """Print every set's figures and the claims about them."""
    with (
        open_embedder(read_embedder({"kind": "minilm"})) as small,
        open_embedder(read_embedder({"kind": "minilm-fp32"})) as large,
    ):
        for judged in sets:
            asked = [judged.queries[query] for query in judged.qrels]
            vectors = {
                name: (embedder.embed(list(judged.documents.values())), embedder.embed(asked))
                for name, embedder in (("int8", small), ("float32", large))
            }
            trust = {text: small.trust(text) for text in asked}
            _measure(judged, vectors, trust)


def _measure(
    judged: JudgedSet,
    vectors: dict[str, tuple[np.ndarray, np.ndarray]],
    trust: dict[str, float],
) -> None:
    print(f"{judged.name}: {len(judged.documents)} documents, {len(judged.qrels)} queries")
    figures: dict[str, float] = {}
    for model, (documents, queries) in vectors.items():
        index = index_of(list(judged.documents.values()), documents)
        for mode in ("hybrid", "dense", "lexical") if model == "int8" else ("dense",):
            rank = _ours(index, queries, SearchSettings(mode=mode, top_k=10), trust)  # type: ignore[arg-type]
            figures[f"{mode} {model}" if mode == "dense" else mode] = ndcg(judged, rank)
    texts = list(judged.documents.values())
    figures["bm25s, its tokenizer with English stems"] = ndcg(judged, bm25s_rank(texts))
    figures["FTS5, unicode61 and porter"] = ndcg(judged, fts5_rank(texts, "porter unicode61"))
    figures["FTS5, trigram"] = ndcg(judged, fts5_rank(texts, "trigram"))
    for name, figure in figures.items():
        print(f"  {name}: {figure:.4f}")
    if judged.name in REFERENCE:
        at_least("lexical nDCG@10", figures["lexical"], REFERENCE[judged.name])
    better = max(figures["lexical"], figures["dense int8"])
    # Where the model cannot read the questions, all that hybrid search can do is no harm.
    reads = float(np.mean(list(trust.values()))) > 0.5
    least = 1.05 if reads else 0.99
    at_least("hybrid beside the better of lexical and dense", figures["hybrid"] / better, least)
    if reads:
        at_least("int8 beside float32", figures["dense int8"] / figures["dense float32"], 0.99)


def ndcg(judged: JudgedSet, rank: Rank) -> float:
    """Mean nDCG@10; `rank` gives document numbers for a query's text and number."""
    names = list(judged.documents)
    found = []
    for number, (query, gains) in enumerate(judged.qrels.items()):
        ranking = [names[at] for at in rank(judged.queries[query], number)]
        found.append(retrieval(ranking, gains, 10).ndcg or 0.0)
    return float(np.mean(found))


def index_of(texts: Sequence[str], vectors: np.ndarray) -> BaseIndex:
    """An index in which each text is its own document."""
    rows = [
        IndexRow(str(at), at, vector.tobytes(), packed(text))
        for at, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]
    return build_index(rows, vectors.shape[1])


def _ours(
    index: BaseIndex, queries: np.ndarray, settings: SearchSettings, trust: dict[str, float]
) -> Rank:
    def rank(text: str, number: int) -> list[int]:
        hits = search(index, text, queries[number], settings, dense_trust=trust[text])
        return [hit.document for hit in hits]

    return rank
