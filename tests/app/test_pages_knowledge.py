"""Knowledge bases on their pages: made, filled, looked into, changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database
from rag import documents, edits, ingests, service
from rag.embedders import Embedder
from tests.support.bases import fill, make_base, outcome, packaged, work
from tests.support.pages import button, page, words

CATS = "# Cats\n\nCats sleep for most of the day.\n\n## Food\n\nA cat eats fish and meat.\n"
TRAINS = "# Trains\n\nThe night train to Vienna leaves at nine.\n"
HOSTILE = "# Hi\n\n<img src='http://evil.invalid/a.png'> ![x](http://evil.invalid/b.png)\n"


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    found = packaged()
    yield found
    found.close()


@pytest.fixture
def filled(workspace, sqlite_db: Database, embedder: Embedder, tmp_path: Path) -> Database:
    """The base `docs` of three documents."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in (("cats.md", CATS), ("trains.md", TRAINS), ("hostile.md", HOSTILE)):
        (folder / name).write_text(text)
    make_base(sqlite_db, embedder)
    fill(sqlite_db, embedder, folder, meta={"team": "a"})
    return sqlite_db


def by_label(elements, label: str):
    return next(one for one in elements if one.label == label)


def document(db: Database, name: str = "cats.md") -> str:
    with db.read_scope() as session:
        return documents.find(session, "docs", name).id


def chunks(db: Database, name: str = "cats.md"):
    with db.read_scope() as session:
        return edits.chunks_of(session, documents.find(session, "docs", name).id)


def test_without_bases_the_page_says_what_to_do(workspace):
    found = page("knowledge")
    assert not found.exception
    assert "Make a knowledge base" in words(found)


def test_a_base_is_made_in_the_drawer(workspace, sqlite_db):
    found = page("knowledge", do="new")
    assert "refuses another" in words(found)
    by_label(found.text_input, "Name").set_value("faq")
    by_label(found.number_input, "Chunk, tokens").set_value(64)
    by_label(found.number_input, "Overlap").set_value(8)
    by_label(found.button, "Create base").click().run()
    assert not found.exception
    with sqlite_db.read_scope() as session:
        base = service.get(session, "faq")
    assert base.fingerprint.startswith("minilm")
    assert base.chunker == {"kind": "markdown", "chunk_tokens": 64, "overlap": 8}


def test_an_overlap_as_large_as_the_chunk_is_refused(workspace, sqlite_db):
    found = page("knowledge", do="new")
    by_label(found.text_input, "Name").set_value("faq")
    by_label(found.number_input, "Chunk, tokens").set_value(16)
    by_label(found.button, "Create base").click().run()
    assert "overlap is 32" in words(found)
    with sqlite_db.read_scope() as session:
        assert service.list_bases(session) == []


def test_the_catalogue_counts_what_is_in_a_base(filled):
    found = page("knowledge")
    row = found.dataframe[0].value.iloc[0]
    assert (row["name"], row["documents"], row["snapshot"]) == ("docs", "3", "1")


def test_uploads_are_queued_by_number_and_gone_after_the_ingest(workspace, sqlite_db, embedder):
    make_base(sqlite_db, embedder)
    found = page("knowledge", id="docs")
    files = [("../../cats.md", CATS.encode(), "text/markdown"),
             ("broken.pdf", b"%PDF-1.4 no", "application/pdf")]  # fmt: skip
    found.file_uploader[0].set_value(files).run()
    assert not found.exception
    button(found, "uploads_add").click().run()
    assert not found.error
    with sqlite_db.read_scope() as session:
        ingest = ingests.recent(session, service.get(session, "docs").id)[0]
    place = sqlite_db.settings.data / "uploads"
    kept = [path for path in place.rglob("*") if path.is_file()]
    assert len(kept) == 2
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept)
    assert all("cats" not in path.name for path in kept)
    work(sqlite_db, ingest, embedder)
    assert outcome(sqlite_db, ingest).done == 1
    from rag.uploads import sweep

    with sqlite_db.read_scope() as session:
        sweep(session, sqlite_db.settings.data)
    assert len([path for path in place.rglob("*") if path.is_file()]) == 1  # failed: may be retried
    again = page("knowledge", id="docs")
    assert "broken.pdf" in "".join(map(str, [d.value.to_dict() for d in again.dataframe]))
    button(again, f"ingest_retry_{ingest}").click().run()
    with sqlite_db.read_scope() as session:
        assert len(ingests.recent(session, service.get(session, "docs").id)) == 2


def test_a_document_is_opened_with_its_facts(filled):
    found = page("knowledge", id="docs", doc=document(filled))
    assert not found.exception
    assert not found.error
    assert "cats.md" in words(found)
    assert "team\\=a" in words(found)


def test_what_cleaning_does_is_shown(filled):
    found = page("knowledge", id="docs", doc=document(filled), view="cleaning")
    assert not found.exception
    assert "characters before cleaning" in words(found)


def test_a_chunk_is_edited(filled):
    first = chunks(filled)[0]
    found = page("knowledge", id="docs", doc=document(filled), sel=first.id, do="edit")
    by_label(found.text_area, "Text").set_value("Cats nap on warm roofs.")
    by_label(found.button, "Save chunk").click().run()
    assert not found.exception
    assert not found.error
    assert chunks(filled)[0].text == "Cats nap on warm roofs."
    assert found.query_params["sel"] == chunks(filled)[0].id


def test_chunks_are_merged_disabled_and_restored(filled):
    before = [one.text for one in chunks(filled)]
    assert len(before) == 2
    found = page("knowledge", id="docs", doc=document(filled), sel=chunks(filled)[0].id)
    button(found, "chunk_merge").click().run()
    assert len(chunks(filled)) == 1
    button(found, "chunk_restore").click().run()
    assert [one.text for one in chunks(filled)] == before
    button(found, "chunk_disable").click().run()
    assert not found.exception
    assert [one.enabled for one in chunks(filled)].count(False) == 1


def test_a_chunk_is_split_at_a_line(filled):
    first = chunks(filled)[0]
    found = page("knowledge", id="docs", doc=document(filled), sel=first.id, do="split")
    button(found, "split_now").click().run()
    assert not found.exception
    assert len(chunks(filled)) == 3


def test_a_document_is_removed(filled):
    found = page("knowledge", id="docs", doc=document(filled), do="remove")
    by_label(found.button, "Remove document").click().run()
    assert not found.exception
    with filled.read_scope() as session:
        assert [row.name for row in documents.iter_documents(session, "docs")] == [
            "hostile.md", "trains.md",
        ]  # fmt: skip
