"""From files to a snapshot: what is new, the same, changed, gone, broken, removed."""

import threading
from pathlib import Path

import pytest
from sqlmodel import func, select

from core.database import Database
from core.errors import Conflict, NotFound
from rag import ingests, service, snapshots
from rag.access import set_rule
from rag.documents import find, forget, iter_documents
from rag.embedders import Embedder
from rag.models import Chunk, Document, DocumentVersion, Embedding
from rag.owner import own_and_run
from rag.search_settings import SearchSettings
from rag.searching import Searcher
from rag.service import save_retrieval
from rag.settings import changed_chunks
from tests.support.bases import ACTOR, fill, make_base, outcome, queue, work

CATS = "# Cats\n\nCats sleep for most of the day.\n\n## Food\n\nA cat eats fish and meat.\n"
TRAINS = "# Trains\n\nThe night train to Vienna leaves at nine.\n"
CHINESE = "# 茶\n\n绿茶应当用八十度的水冲泡。\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in (("cats.md", CATS), ("trains.md", TRAINS), ("tea.md", CHINESE)):
        (folder / name).write_text(text)
    return folder


def counts(db: Database) -> tuple[int, int, int]:
    with db.read_scope() as session:
        tables = (DocumentVersion, Chunk, Embedding)
        found = [session.exec(select(func.count()).select_from(table)).one() for table in tables]
    return found[0], found[1], found[2]


def names(db: Database, snapshot: int | None = None) -> list[str]:
    with db.read_scope() as session:
        return [row.name for row in iter_documents(session, "docs", snapshot=snapshot)]


def top(db: Database, query: str, **how: object) -> str:
    searcher = Searcher(db)
    try:
        found = searcher.search("docs", query, SearchSettings(top_k=1), **how)  # type: ignore[arg-type]
        return found.hits[0].document if found.hits else ""
    finally:
        searcher.close()


def test_documents_are_found_in_the_snapshot_that_they_made(
    db: Database, embedder: Embedder, files: Path
):
    make_base(db, embedder)
    done = fill(db, embedder, files, meta={"lang": "en"})
    assert (done.state, done.done, done.failed, done.snapshot) == ("completed", 3, 0, 1)
    assert done.chunks == done.embedded == counts(db)[1]
    assert names(db) == ["cats.md", "tea.md", "trains.md"]
    assert names(db, 0) == []
    assert top(db, "what do cats eat") == "cats.md"
    assert top(db, "绿茶 水 温度") == "tea.md"
    assert top(db, "train to Vienna", snapshot=0) == ""


def test_the_same_again_embeds_nothing_and_makes_no_snapshot(
    db: Database, embedder: Embedder, files: Path
):
    make_base(db, embedder)
    fill(db, embedder, files)
    before = counts(db)
    done = fill(db, embedder, files)
    assert (done.done, done.unchanged, done.embedded, done.snapshot) == (0, 3, 0, None)
    assert counts(db) == before


def test_a_changed_file_replaces_its_document_and_the_old_snapshot_keeps_it(
    db: Database, embedder: Embedder, files: Path
):
    make_base(db, embedder)
    fill(db, embedder, files)
    (files / "trains.md").write_text("# Trains\n\nThe slow train to Prague leaves at noon.\n")
    done = fill(db, embedder, files)
    assert (done.done, done.unchanged, done.snapshot) == (1, 2, 2)
    searcher = Searcher(db)
    try:
        settings = SearchSettings(mode="lexical", top_k=3)
        new = [hit.text for hit in searcher.search("docs", "Prague Vienna", settings).hits]
        old = searcher.search("docs", "Prague Vienna", settings, snapshot=1).hits
    finally:
        searcher.close()
    assert len(new) == 1
    assert "Prague" in new[0]
    assert ["Vienna" in hit.text for hit in old] == [True]
    with db.read_scope() as session:
        base = service.get(session, "docs")
        changes = snapshots.diff(session, base, 1, 2)
    assert [(one.name, one.change) for one in changes] == [("trains.md", "changed")]


def test_vanished_files_are_listed_and_kept(db: Database, embedder: Embedder, files: Path):
    make_base(db, embedder)
    fill(db, embedder, files)
    (files / "tea.md").unlink()
    done = fill(db, embedder, files)
    assert done.vanished == ("tea.md",)
    assert "tea.md" in names(db)


def test_a_bad_file_fails_by_name_and_is_tried_again(db: Database, embedder: Embedder, files: Path):
    make_base(db, embedder)
    (files / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of a PDF")
    done = fill(db, embedder, files)
    assert (done.state, done.done, done.failed) == ("completed", 3, 1)
    (failure,) = done.failures
    assert failure.name == "broken.pdf"
    assert failure.reason.endswith(".")
    (files / "broken.pdf").write_text("Now it is a text about penguins.")
    with db.session_scope(ACTOR) as session:
        again = ingests.retry_failed(session, done.id)
    done = work(db, again.id, embedder)
    assert (done.total, done.done, done.failed) == (1, 1, 0)
    assert top(db, "penguins") == "broken.pdf"
    with db.session_scope(ACTOR) as session, pytest.raises(Conflict):
        ingests.retry_failed(session, again.id)


def test_a_removed_document_is_gone_from_every_snapshot_and_from_the_disk(
    sqlite_db: Database, embedder: Embedder, files: Path
):
    db = sqlite_db
    canary = "zanzibar-canary-7731"
    (files / "secret.md").write_text(f"# Secret\n\nThe word is {canary}.\n")
    make_base(db, embedder)
    fill(db, embedder, files)
    assert top(db, canary) == "secret.md"
    on_disk = [p for p in db.settings.data.rglob("*") if p.is_file()]
    assert any(canary.encode() in path.read_bytes() for path in on_disk)
    vectors = counts(db)[2]
    removed = forget(db, ACTOR, "docs", "secret.md")
    assert (removed.document, removed.snapshot) == ("secret.md", 2)
    assert names(db, 1) == ["cats.md", "tea.md", "trains.md"]
    assert counts(db)[2] == vectors - removed.chunks
    for snapshot in (None, 1):
        assert top(db, canary, snapshot=snapshot) != "secret.md"
    db.close()
    left = [
        p for p in db.settings.data.rglob("*") if p.is_file() and canary.encode() in p.read_bytes()
    ]
    assert left == []
    with db.read_scope() as session, pytest.raises(NotFound):
        find(session, "docs", "secret.md")


def test_a_search_in_memory_forgets_a_removed_document(
    db: Database, embedder: Embedder, files: Path
):
    make_base(db, embedder)
    fill(db, embedder, files)
    searcher = Searcher(db)
    try:
        settings = SearchSettings(mode="lexical")
        assert searcher.search("docs", "Vienna", settings, snapshot=1).hits
        forget(db, ACTOR, "docs", "trains.md")
        assert not searcher.search("docs", "Vienna", settings, snapshot=1).hits
        assert not searcher.search("docs", "Vienna", settings).hits
    finally:
        searcher.close()


def test_what_was_found_lately_is_recalled_until_anything_is_other(
    db: Database, embedder: Embedder, files: Path
):
    make_base(db, embedder)
    fill(db, embedder, files)
    searcher, settings = Searcher(db), SearchSettings(mode="lexical")
    how = {"subject": "user:ann"}
    try:
        assert searcher.search("docs", "Vienna", settings, **how).hits
        assert searcher.recall("docs", "Vienna", settings, **how) is None
        found = searcher.search("docs", "Vienna", settings, **how, keep=True)
        again = searcher.recall("docs", "Vienna", settings, **how)
        assert again is not None
        assert again.hits == found.hits
        assert searcher.recall("docs", "Vienna", SearchSettings(mode="dense"), **how) is None
        assert searcher.recall("docs", "Vienna ", settings, **how) is None
        with db.session_scope(ACTOR) as session:
            set_rule(session, service.get(session, "docs"), "user:ann", {"team": ["a"]})
        assert searcher.recall("docs", "Vienna", settings, **how) is None
        assert searcher.recall("docs", "Vienna", settings, subject="user:bob") is not None
        forget(db, ACTOR, "docs", "trains.md")
        assert searcher.recall("docs", "Vienna", settings, subject="user:bob") is None
    finally:
        searcher.close()


def test_two_bases_share_nothing_but_equal_vectors(db: Database, embedder: Embedder, files: Path):
    make_base(db, embedder, "docs")
    make_base(db, embedder, "other")
    fill(db, embedder, files / "cats.md")
    done = fill(db, embedder, files / "cats.md", files / "trains.md", name="other")
    assert done.embedded < done.chunks
    assert names(db) == ["cats.md"]
    forget(db, ACTOR, "other", "cats.md")
    assert top(db, "what do cats eat") == "cats.md"
    assert top(db, "train to Vienna") != "trains.md"


def test_reindex_shows_the_new_chunks_all_at_once(db: Database, embedder: Embedder, files: Path):
    make_base(db, embedder)
    fill(db, embedder, files)
    (files / "cats.md").unlink()
    with db.session_scope(ACTOR) as session:
        base = service.get(session, "docs")
        settings = {"chunker": changed_chunks(base.chunker, "recursive", 16, None)}
        ingest = ingests.start_reindex(session, "docs", settings)
        with pytest.raises(Conflict):
            ingests.start_reindex(session, "docs", settings)
    before = counts(db)
    done = work(db, ingest.id, embedder)
    assert (done.state, done.done, done.snapshot) == ("completed", 3, 2)
    with db.read_scope() as session:
        base = service.get(session, "docs")
        new = snapshots.get_snapshot(session, base)
        old = snapshots.get_snapshot(session, base, 1)
    assert base.chunker["kind"] == "recursive"
    assert old.chunker["kind"] == "markdown"
    assert (new.documents, old.documents) == (3, 3)
    assert (old.chunks, new.chunks) == (before[1], counts(db)[1] - before[1])
    assert top(db, "what do cats eat") == "cats.md"
    assert top(db, "what do cats eat", snapshot=1) == "cats.md"


def test_metadata_filters_every_snapshot_and_is_kept_by_the_next_add(
    db: Database, embedder: Embedder, files: Path
):
    make_base(db, embedder)
    fill(db, embedder, files / "cats.md", meta={"dept": "pets"})
    fill(db, embedder, files / "trains.md", files / "tea.md", meta={"dept": "travel"})
    fill(db, embedder, files / "cats.md", meta={"year": "2026"})
    with db.read_scope() as session:
        assert find(session, "docs", "cats.md").meta == {"dept": "pets", "year": "2026"}
    searcher = Searcher(db)
    try:
        for mode in ("hybrid", "dense", "lexical"):
            settings = SearchSettings(mode=mode, where=(("dept", "travel"),))  # type: ignore[arg-type]
            hits = searcher.search("docs", "cats eat fish in trains", settings).hits
            assert {hit.document for hit in hits} <= {"trains.md", "tea.md"}
    finally:
        searcher.close()


def test_settings_saved_to_the_base_are_what_a_search_takes(
    db: Database, embedder: Embedder, files: Path
):
    make_base(db, embedder)
    fill(db, embedder, files)
    with db.session_scope(ACTOR) as session:
        save_retrieval(session, service.get(session, "docs").id, {"mode": "lexical", "top_k": 1})
    searcher = Searcher(db)
    try:
        found = searcher.search("docs", "cats")
    finally:
        searcher.close()
    assert (found.settings.mode, len(found.hits)) == ("lexical", 1)


def test_old_snapshots_go_when_they_are_dropped(db: Database, embedder: Embedder, files: Path):
    make_base(db, embedder)
    fill(db, embedder, files)
    (files / "trains.md").write_text("# Trains\n\nThe train to Prague.\n")
    fill(db, embedder, files)
    with db.session_scope(ACTOR) as session:
        base = service.lock(session, service.get(session, "docs").id)
        dropped = snapshots.drop_before(session, base, 2)
    assert (dropped.snapshots, dropped.chunks) == (2, 1)
    with pytest.raises(NotFound, match="no snapshot 1"):
        top(db, "trains", snapshot=1)
    assert top(db, "train to Prague") == "trains.md"


def test_a_stopped_ingest_is_given_back_and_goes_on(db: Database, embedder: Embedder, files: Path):
    make_base(db, embedder)
    ingest_id = queue(db, [files])
    stop = threading.Event()
    stop.set()
    end = own_and_run(db, ingest_id, stop, embedder)
    assert end is not None
    assert end.state == "queued"
    assert names(db) == []
    assert work(db, ingest_id, embedder).done == 3


def test_a_cancelled_ingest_shows_what_was_read(db: Database, embedder: Embedder, files: Path):
    make_base(db, embedder)
    ingest_id = queue(db, [files])
    with db.session_scope(ACTOR) as session:
        ingests.cancel(session, ingest_id)
    assert work(db, ingest_id, embedder).state in ("cancelled", "completed")
    with db.read_scope() as session:
        staged = session.exec(select(Chunk).where(Chunk.added_in == None)).all()  # noqa: E711
    assert not staged


def test_ingests_of_one_base_go_one_after_the_other(db: Database, embedder: Embedder, files: Path):
    make_base(db, embedder)
    first, second = queue(db, [files / "cats.md"]), queue(db, [files / "tea.md"])
    assert own_and_run(db, second, threading.Event(), embedder) is None
    assert work(db, first, embedder).snapshot == 1
    assert work(db, second, embedder).snapshot == 2
    with db.session_scope(ACTOR) as session:
        service.delete_base(session, service.get(session, "docs").id)
        assert session.exec(select(func.count()).select_from(Document)).one() == 0
    with pytest.raises(NotFound):
        outcome(db, first)


def test_a_large_base_is_searched_through_chroma_and_forgets_there_too(
    sqlite_db: Database, embedder: Embedder, files: Path
):
    settings = sqlite_db.settings.model_copy(update={"chroma_from": 3})
    db = Database(settings)
    make_base(db, embedder)
    fill(db, embedder, files)
    index = settings.data / "index"
    dense = SearchSettings(mode="dense", top_k=1)
    searcher = Searcher(db)
    try:
        assert searcher.search("docs", "what do cats eat", dense).hits[0].document == "cats.md"
        assert list(index.rglob("chroma.sqlite3"))
        assert searcher.search("docs", "what do cats eat", dense, snapshot=1).hits
    finally:
        searcher.close()
    forget(db, ACTOR, "docs", "cats.md")
    assert not list(index.rglob("chroma.sqlite3"))
    assert top(db, "what do cats eat") != "cats.md"
    db.close()
