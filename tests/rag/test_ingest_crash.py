"""An ingest whose process is killed at any moment goes on to what a clean one makes."""

import random
import shutil
import time
from pathlib import Path

import pytest
from sqlmodel import func, select

from core.database import Database
from core.settings import Settings
from rag.embedders import Embedder
from rag.models import Chunk, DocumentVersion
from rag.search_settings import SearchSettings
from rag.searching import Searcher
from rag.service import LIVE
from tests.support.bases import fill, make_base, outcome, queue, work, working_child
from tests.support.depth import DEEP

KILLS = 50 if DEEP else 5
CHUNKS = 1500
_WORDS = [
    "river",
    "bridge",
    "winter",
    "engine",
    "letter",
    "garden",
    "market",
    "signal",
    "copper",
    "window",
    "forest",
    "harbor",
    "painting",
    "orbit",
    "salt",
    "ticket",
    "violin",
    "canyon",
    "lantern",
    "cotton",
    "glacier",
    "ribbon",
    "beacon",
    "tunnel",
]


def _corpus(folder: Path, chunks: int) -> Path:
    rng = random.Random(5)
    folder.mkdir()
    for number in range(chunks // 10):
        lines = [
            f"## Part {number}.{part}\n\n" + " ".join(rng.choices(_WORDS, k=30)) + ".\n"
            for part in range(10)
        ]
        (folder / f"doc{number:03}.md").write_text("\n".join(lines))
    return folder


def _queries() -> list[str]:
    rng = random.Random(9)
    return [" ".join(rng.choices(_WORDS, k=3)) for _ in range(50)]


def _state(db: Database, embedder: Embedder) -> tuple[int, int, list[list[tuple[str, str]]]]:
    with db.read_scope() as session:
        shown = (Chunk.added_in != None, Chunk.removed_in == None)  # noqa: E711
        chunks = session.exec(select(func.count()).select_from(Chunk).where(*shown)).one()
        total = session.exec(select(func.count()).select_from(Chunk)).one()
        versions = session.exec(select(func.count()).select_from(DocumentVersion)).one()
    assert chunks == total, "staged rows are left over"
    searcher = Searcher(db)
    try:
        found = [searcher.search("docs", q, SearchSettings(top_k=10)).hits for q in _queries()]
    finally:
        searcher.close()
    return versions, chunks, [[(hit.document, hit.text) for hit in hits] for hits in found]


@pytest.mark.timeout(3600)
def test_kills_at_any_moment_lose_and_double_nothing(
    sqlite_db: Database, sqlite_template: Path, embedder: Embedder, tmp_path: Path
):
    """50 kills over 1,500 chunks in a deep run; beside it a base in a folder of its own."""
    folder = _corpus(tmp_path / "corpus", CHUNKS if KILLS == 50 else 300)
    clean = _clean(tmp_path / "clean", sqlite_template)
    make_base(clean, embedder)
    fill(clean, embedder, folder)
    make_base(sqlite_db, embedder)
    ingest_id = queue(sqlite_db, [folder])
    kills = _kill(sqlite_db, ingest_id)
    if outcome(sqlite_db, ingest_id).state in LIVE:
        work(sqlite_db, ingest_id, embedder)
    done = outcome(sqlite_db, ingest_id)
    assert (done.state, done.failed) == ("completed", 0)
    assert kills >= KILLS // 2
    assert _state(sqlite_db, embedder) == _state(clean, embedder)
    clean.close()


def _clean(data: Path, template: Path) -> Database:
    data.mkdir()
    shutil.copy(template, data / "promptstone.db")
    return Database(Settings(data_dir=data, database_url=None))


def _kill(db: Database, ingest_id: str) -> int:
    """Kill at random moments of a child's life, the early ones first: later ones end the work."""
    rng = random.Random(2)
    kills = 0
    for moment in sorted(rng.uniform(0.3, 4) for _ in range(KILLS)):
        if outcome(db, ingest_id).state not in LIVE:
            break
        child = working_child(db, ingest_id)
        time.sleep(moment)
        child.kill()
        child.wait()
        kills += 1
    return kills
