"""What searches are compared with: bm25s, SQLite FTS5, and LangChain's face of a local model."""

import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import bm25s
import Stemmer
from langchain_core.embeddings import Embeddings as Base
from sentence_transformers import SentenceTransformer

from rag.terms import fold

Rank = Callable[[str, int], Sequence[int]]
"""Numbers of the ten best documents for a query's text and number."""


class Embeddings(Base):
    """sentence-transformers for LangChain, as langchain-huggingface writes it."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._model.encode(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self._model.encode([text]).tolist()[0]


def bm25s_rank(texts: Sequence[str]) -> Rank:
    """bm25s with its own tokenizer and English stems."""
    stemmer = Stemmer.Stemmer("english")
    retriever = bm25s.BM25()
    tokens = bm25s.tokenize(list(texts), stemmer=stemmer, show_progress=False)
    retriever.index(tokens, show_progress=False)

    def rank(text: str, number: int) -> list[int]:
        asked = bm25s.tokenize([text], stemmer=stemmer, show_progress=False)
        found, scores = retriever.retrieve(asked, k=min(10, len(texts)), show_progress=False)
        return [int(at) for at, score in zip(found[0], scores[0], strict=True) if score > 0]

    return rank


def fts5_rank(texts: Sequence[str], tokenizer: str) -> Rank:
    """SQLite's FTS5 with its bm25()."""
    file = Path(tempfile.mkdtemp()) / "fts.sqlite"
    database = sqlite3.connect(file)
    database.execute(f"CREATE VIRTUAL TABLE t USING fts5(text, tokenize='{tokenizer}')")
    database.executemany("INSERT INTO t(rowid, text) VALUES (?, ?)", list(enumerate(texts)))

    def rank(text: str, number: int) -> list[int]:
        words = ["".join(c for c in word if c.isalnum()) for word in fold(text).split()]
        wanted = " OR ".join(f'"{word}"' for word in words if word)
        query = "SELECT rowid FROM t WHERE t MATCH ? ORDER BY rank LIMIT 10"
        return [row[0] for row in database.execute(query, (wanted,))] if wanted else []

    return rank
