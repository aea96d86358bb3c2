"""Milliseconds of a query at 20,000 chunks, beside LangChain's ensemble, Chroma, bm25s and FTS5.

The texts are real, cut to passages; the vectors of the passages are random, because the time of a
search does not depend on what they mean. Queries are embedded for real on both sides.
"""

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import chromadb
import numpy as np
from chromadb.config import Settings
from langchain_chroma import Chroma
from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.retrievers import BM25Retriever
from sentence_transformers import SentenceTransformer

from benchmarks.figures import at_most, interleaved
from benchmarks.peers import Embeddings, bm25s_rank, fts5_rank
from benchmarks.rag_data import JudgedSet
from benchmarks.rag_quality import index_of
from rag.embedders import open_embedder, read_embedder
from rag.index import BaseIndex
from rag.model_files import minilm_files
from rag.search import search
from rag.search_settings import SearchSettings
from rag.terms import query_terms

CHUNKS = 20_000
GROUPS = 20
TOP = 10
UPSERT = 5000


def passages(sets: Sequence[JudgedSet], count: int) -> list[str]:
    """`count` passages of 60 words from the English sets, some twice with other neighbours."""
    words = " ".join(text for judged in sets for text in judged.documents.values()).split()
    words = [word for word in words if word.isascii()]
    random.Random(1).shuffle(starts := list(range(0, len(words) - 60, 15)))
    return [" ".join(words[at : at + 60]) for at in (starts * 9)[:count]]


def measure_query(sets: Sequence[JudgedSet], rounds: int) -> None:
    """Print medians and the claims about them."""
    english = [judged for judged in sets if "cmrc" not in judged.name]
    texts = passages(english, CHUNKS)
    queries = [text for judged in english for text in judged.queries.values()]
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((CHUNKS, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = index_of(texts, vectors)
    with tempfile.TemporaryDirectory() as folder:
        store = _chroma(Path(folder), texts, vectors)
        _hybrid(index, texts, store, queries, rounds)
        _filtered(index, store, vectors, rounds)
    _lexical(index, texts, queries, rounds)


def _hybrid(
    index: BaseIndex, texts: list[str], store: Chroma, queries: list[str], rounds: int
) -> None:
    keyword = BM25Retriever.from_texts(texts, k=TOP)
    ensemble = EnsembleRetriever(
        retrievers=[keyword, store.as_retriever(search_kwargs={"k": TOP})], weights=[0.5, 0.5]
    )
    settings = SearchSettings(top_k=TOP)
    print(f"hybrid query at {CHUNKS:,} chunks, the query's embedding included")
    with open_embedder(read_embedder({"kind": "minilm"})) as embedder:

        def ours(number: int) -> None:
            text = queries[number % len(queries)]
            search(index, text, embedder.embed_query(text), settings)

        def theirs(number: int) -> None:
            ensemble.invoke(queries[number % len(queries)])

        def embedding(number: int) -> None:
            embedder.embed_query(queries[number % len(queries)])

        for warm in (ours, theirs, embedding):
            warm(0)
        took = interleaved(
            {"promptstone": ours, "LangChain ensemble": theirs, "our embedding alone": embedding},
            rounds,
        )
    at_most("hybrid query beside LangChain", took["promptstone"] / took["LangChain ensemble"], 0.2)


def _filtered(index: BaseIndex, store: Chroma, vectors: np.ndarray, rounds: int) -> None:
    print(f"dense query with a filter that lets 1 of {GROUPS} documents through, vector given")
    allowed = np.arange(CHUNKS) % GROUPS == 3
    settings = SearchSettings(mode="dense", top_k=TOP)
    rng = np.random.default_rng(2)
    asked = rng.standard_normal((rounds, 384)).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    equal = 0
    for vector in asked:
        hits = search(index, "", vector, settings, allowed)
        order = np.argsort(-np.where(allowed, vectors @ vector, -2), kind="stable")[:TOP]
        equal += [hit.document for hit in hits] == order.tolist()
    took = interleaved(
        {
            "promptstone": lambda number: search(index, "", asked[number], settings, allowed),
            "Chroma where": lambda number: store._collection.query(
                query_embeddings=asked[number : number + 1],  # type: ignore[arg-type]
                n_results=TOP,
                where={"group": 3},
                include=["distances"],
            ),
        },
        rounds,
    )
    at_most("filtered query beside Chroma", took["promptstone"] / took["Chroma where"], 0.2)
    at_most("filtered queries that differ from an exact search", rounds - equal, 0)


def _lexical(index: BaseIndex, texts: list[str], queries: list[str], rounds: int) -> None:
    print("lexical query, the ten best")
    ranks = {"bm25s": bm25s_rank(texts), "FTS5": fts5_rank(texts, "porter unicode61")}
    settings = SearchSettings(mode="lexical", top_k=TOP)

    def ours(number: int) -> None:
        search(index, queries[number % len(queries)], None, settings)

    def scores(number: int) -> None:
        terms = [term.term for term in query_terms(queries[number % len(queries)])]
        index.lexical.scores(terms)

    peers = {
        name: lambda number, rank=rank: rank(queries[number % len(queries)], number)
        for name, rank in ranks.items()
    }
    interleaved({"promptstone": ours, "of that, scores": scores, **peers}, rounds)


def _chroma(folder: Path, texts: list[str], vectors: np.ndarray) -> Chroma:
    client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    model = SentenceTransformer(str(minilm_files().folder), device="cpu", local_files_only=True)
    store = Chroma("chunks", Embeddings(model), client=client)
    for start in range(0, len(texts), UPSERT):
        span = range(start, min(start + UPSERT, len(texts)))
        store._collection.upsert(
            ids=[str(at) for at in span],
            embeddings=vectors[span.start : span.stop],  # type: ignore[arg-type]
            documents=texts[span.start : span.stop],
            metadatas=[{"group": at % GROUPS} for at in span],
        )
    return store
