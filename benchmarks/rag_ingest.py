"""Seconds to fill a base, beside the bare embedding of the same chunks and LangChain's defaults.

The documents are Markdown files on disk. Everybody gets a warm model; the files are read, cut,
embedded and stored within the time.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import chromadb
from chromadb.config import Settings as ChromaSettings
from langchain_chroma import Chroma
from langchain_text_splitters import RecursiveCharacterTextSplitter
from sentence_transformers import SentenceTransformer
from sqlmodel import col, select

from benchmarks.figures import at_least, at_most
from benchmarks.peers import Embeddings
from benchmarks.rag_data import JudgedSet
from core.database import Database
from core.migrate import migrate
from core.settings import Settings
from rag.embedders import Embedder
from rag.model_files import minilm_files
from rag.models import Chunk, DocumentVersion
from rag.passages import searched_text
from tests.support.bases import fill, make_base, packaged

# Sections of a file: documents of one paragraph each are not what people have.
PER_FILE = 8


class _Ours(NamedTuple):
    wall: float
    again: float
    again_embedded: int
    texts: list[str]


def measure_ingest(sets: Sequence[JudgedSet], documents: int, rounds: int) -> None:
    """Print seconds by round and the claims about their medians."""
    whole = next(judged for judged in sets if len(judged.documents) > 1000)
    walls: list[float] = []
    agains: list[float] = []
    bares: list[float] = []
    ratios: list[float] = []
    embedded_again = 0
    model = SentenceTransformer(str(minilm_files().folder), device="cpu", local_files_only=True)
    model.encode(["warm"])
    with tempfile.TemporaryDirectory() as root, packaged() as embedder:
        files = _write(Path(root) / "docs", list(whole.documents.values())[:documents])
        embedder.embed(["warm"])
        for number in range(rounds):
            ours = _ours(Path(root) / f"data{number}", files, embedder)
            bare = _timed_embedding(embedder, ours.texts)
            size = _like_ours(files, len(ours.texts))
            theirs, pieces = _langchain(Path(root) / f"chroma{number}", files, model, size)
            walls.append(ours.wall)
            agains.append(ours.again)
            bares.append(bare)
            ratios.append(len(ours.texts) / ours.wall / (pieces / theirs))
            embedded_again += ours.again_embedded
            print(
                f"  round {number + 1}: ours {ours.wall:.1f} s for {len(ours.texts)} chunks, bare "
                f"embedding {bare:.1f} s, LangChain {theirs:.1f} s for {pieces}, again "
                f"{ours.again:.2f} s; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    median = statistics.median
    at_most("ingest beside bare embedding", median(map(_ratio, walls, bares)), 1.15)
    at_least("chunks a second beside LangChain", median(ratios), 1.3)
    at_most("unchanged files again, share of the first", median(map(_ratio, agains, walls)), 0.02)
    at_most("embeddings of unchanged files", embedded_again, 0)


def _ratio(one: float, other: float) -> float:
    return one / other


def _write(folder: Path, texts: Sequence[str]) -> list[Path]:
    folder.mkdir()
    for start in range(0, len(texts), PER_FILE):
        sections = texts[start : start + PER_FILE]
        parts = [f"# {text.partition(chr(10))[0]}\n\n{text}\n" for text in sections]
        (folder / f"{start:05d}.md").write_text("\n".join(parts), encoding="utf-8")
    return sorted(folder.iterdir())


def _ours(data: Path, files: Sequence[Path], embedder: Embedder) -> _Ours:
    database = Database(Settings(data_dir=data))
    try:
        migrate(database)
        make_base(database, embedder, kind="markdown", tokens=256)
        started = time.perf_counter()
        done = fill(database, embedder, *files)
        wall = time.perf_counter() - started
        assert done.state == "completed", done
        started = time.perf_counter()
        again = fill(database, embedder, *files)
        return _Ours(wall, time.perf_counter() - started, again.embedded, _texts(database))
    finally:
        database.close()


def _texts(database: Database) -> list[str]:
    """What was embedded for each chunk."""
    query = select(Chunk, DocumentVersion.title).where(
        col(DocumentVersion.id) == col(Chunk.version_id)
    )
    with database.read_scope() as session:
        return [
            searched_text(title, chunk.headings, chunk.text) for chunk, title in session.exec(query)
        ]


def _timed_embedding(embedder: Embedder, texts: list[str]) -> float:
    started = time.perf_counter()
    embedder.embed(texts)
    return time.perf_counter() - started


def _like_ours(files: Sequence[Path], chunks: int) -> int:
    """Characters a chunk with which LangChain's splitter makes as many of the same text as we do."""
    texts = [file.read_text(encoding="utf-8") for file in files]

    def made(size: int) -> int:
        splitter = RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=0)
        return len(splitter.create_documents(texts))

    return min(range(200, 1200, 20), key=lambda size: abs(made(size) - chunks))


def _langchain(
    folder: Path, files: Sequence[Path], model: SentenceTransformer, size: int
) -> tuple[float, int]:
    """Seconds and chunks of the usual script; chunks of `size` characters are as long as ours."""
    started = time.perf_counter()
    splitter = RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=0)
    pieces = splitter.create_documents([file.read_text(encoding="utf-8") for file in files])
    client = chromadb.PersistentClient(
        str(folder), settings=ChromaSettings(anonymized_telemetry=False)
    )
    Chroma.from_documents(pieces, Embeddings(model), client=client)
    return time.perf_counter() - started, len(pieces)
