"""A base searched through the Chroma server that a setting names, and without it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.database import Database
from core.errors import Unavailable
from rag import service
from rag.chroma_process import ChromaProcess
from rag.chroma_server import ChromaServed
from rag.documents import forget
from rag.embedders import Embedder
from rag.index_home import _installation, drop_index
from rag.search_settings import SearchSettings
from rag.searching import Found, Searcher
from tests.support.bases import ACTOR, fill, make_base
from tests.support.chroma import ChromaServer
from tests.support.depth import DEEP

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def with_settings(sqlite_db: Database) -> Iterator[Callable[..., Database]]:
    made: list[Database] = []

    def make(**changed: object) -> Database:
        made.append(Database(sqlite_db.settings.model_copy(update=changed)))
        return made[-1]

    yield make
    for db in made:
        db.close()


@pytest.fixture
def filled(sqlite_db: Database, embedder: Embedder, tmp_path: Path) -> Database:
    for name in ("cats", "dogs", "bees"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\nAll about {name} of any kind.\n")
    make_base(sqlite_db, embedder)
    fill(sqlite_db, embedder, *(tmp_path / f"{name}.md" for name in ("cats", "dogs", "bees")))
    return sqlite_db


def dense(searcher: Searcher, query: str) -> list[str]:
    found: Found = searcher.search("docs", query, SearchSettings(mode="dense"))
    return [hit.chunk_id for hit in found.hits]


def test_a_silent_server_is_told_where_it_is_needed(
    filled: Database, with_settings: Callable[..., Database]
) -> None:
    small = Searcher(with_settings(chroma_url=NOBODY))
    large = Searcher(with_settings(chroma_url=NOBODY, chroma_from=1))
    lexical = SearchSettings(mode="lexical")
    assert small.search("docs", "cats", lexical).hits
    with pytest.raises(Unavailable, match=re.escape(NOBODY)) as told:
        large.search("docs", "cats", lexical)
    assert "`chroma run`" in told.value.message
    assert "PROMPTSTONE_CHROMA_URL" in told.value.message


def test_what_is_removed_while_the_server_is_silent_is_removed(
    filled: Database, with_settings: Callable[..., Database]
) -> None:
    db = with_settings(chroma_url=NOBODY)
    forget(db, ACTOR, "docs", "cats.md")
    _installation(db)
    with pytest.raises(Unavailable, match="removed and no longer found"):
        forget(db, ACTOR, "docs", "dogs.md")
    found = Searcher(db).search("docs", "cats dogs bees", SearchSettings(mode="lexical"))
    assert [hit.document for hit in found.hits] == ["bees.md"]


def test_an_installation_has_one_name(
    sqlite_db: Database, with_settings: Callable[..., Database]
) -> None:
    assert _installation(sqlite_db) == _installation(with_settings())


@pytest.mark.skipif(not DEEP, reason="starts a server and four clients")
def test_a_server_finds_what_an_exact_scan_finds_and_forgets_what_is_removed(
    filled: Database,
    with_settings: Callable[..., Database],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = ChromaServer(tmp_path / "chroma")
    raw = ChromaProcess(server.url)
    db = with_settings(chroma_url=server.url, chroma_from=1)
    exact, shared = Searcher(filled), Searcher(db)
    try:
        wanted = dense(exact, "animals")
        assert dense(shared, "animals") == wanted
        index = next(iter(shared._indexes.values())).chunks.dense
        assert isinstance(index, ChromaServed)
        assert index.wait(60)
        assert dense(shared, "animals") == wanted
        assert len(raw.names()) == 1
        forget(db, ACTOR, "docs", "cats.md")
        assert raw.names() == []
        left = dense(shared, "animals")
        assert left == dense(exact, "animals")
        assert len(left) == len(wanted) - 1
        with db.session_scope(ACTOR) as session:
            base = service.get(session, "docs").id
            service.delete_base(session, base)
        drop_index(db, base)
        assert raw.names() == []
    finally:
        exact.close()
        shared.close()
        raw.end()
        server.kill()
