"""Knowledge bases on their pages: made, filled, looked into, changed."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.server import measuring
from core.database import Database
from core.models import User
from core.settings import Settings
from core.users import add_user
from rag import documents, edits, ingests, marks, service, snapshots
from rag.access import rules, set_rule
from rag.embedders import Embedder
from rag.searching import saved_settings
from rag.uploads import sweep
from tests.support.bases import fill, make_base, outcome, packaged, work
from tests.support.pages import button, page, served, words

CATS = "# Cats\n\nCats sleep for most of the day.\n\n## Food\n\nA cat eats fish and meat.\n"
TRAINS = "# Trains\n\nThe night train to Vienna leaves at nine.\n"
HOSTILE = "# Hi\n\n<img src='http://evil.invalid/a.png'> ![x](http://evil.invalid/b.png)\n"


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    found = packaged()
    yield found
    found.close()


@pytest.fixture(scope="module")
def template(
    sqlite_template: Path, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A database file with the base `docs` of three documents, made once."""
    folder = tmp_path_factory.mktemp("files")
    for name, text in (("cats.md", CATS), ("trains.md", TRAINS), ("hostile.md", HOSTILE)):
        (folder / name).write_text(text)
    data = tmp_path_factory.mktemp("filled")
    shutil.copy(sqlite_template, data / "promptstone.db")
    database = Database(Settings(data_dir=data, database_url=None))
    make_base(database, embedder)
    fill(database, embedder, folder, meta={"team": "a"})
    database.shred()
    database.close()
    return data / "promptstone.db"


@pytest.fixture
def filled(template: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A served workspace with the base `docs`."""
    data_dir.mkdir()
    shutil.copy(template, data_dir / "promptstone.db")
    database = Database(Settings(data_dir=data_dir, database_url=None))
    with served(database, monkeypatch):
        yield database
    database.close()


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


def searched(db: Database, **query: str):
    return page("knowledge", id="docs", tab="search", ask="what do cats eat", **query)


def test_a_search_says_what_was_found_and_why(filled):
    found = searched(filled)
    assert not found.exception
    assert not found.error
    assert "· snapshot 1 ·" in words(found)
    assert "1 · cats" in words(found)


def test_hits_are_marked_and_the_mark_is_taken_back(filled):
    found = searched(filled)
    button(found, "hit_relevant").click().run()
    with filled.read_scope() as session:
        kept = marks.marks(session, service.get(session, "docs").id)
    assert [(one.query, one.document, one.relevant) for one in kept] == [
        ("what do cats eat", "cats.md", True)
    ]
    button(found, "hit_relevant").click().run()
    with filled.read_scope() as session:
        assert marks.marks(session, service.get(session, "docs").id) == []


def test_two_settings_stand_side_by_side(filled):
    found = searched(filled, two="1", b_mode="lexical", b_k="1")
    assert not found.exception
    assert words(found).count("· snapshot 1 ·") == 2
    assert "Found 1 ·" in words(found)


def test_a_filter_leaves_out_what_does_not_match(filled):
    assert "· snapshot 1 ·" in words(searched(filled, where="team=a"))
    assert "Nothing found" in words(searched(filled, where="team=b"))


def test_settings_are_saved_to_the_base(filled):
    found = searched(filled, mode="lexical", k="3", where="team=a")
    button(found, "save_settings_").click().run()
    assert not found.exception
    with filled.read_scope() as session:
        own = saved_settings(service.get(session, "docs"))
    assert (own.mode, own.top_k, own.where) == ("lexical", 3, ())


def test_rerank_without_a_model_says_what_to_do(filled):
    assert "There is no reranker" in words(searched(filled, rerank="on"))


def measured(found):
    """The page once its measurement has ended."""
    deadline = time.monotonic() + 20
    job = measuring.find(found.query_params["job"], "docs")
    assert job is not None
    while job.lives and time.monotonic() < deadline:
        time.sleep(0.05)
    return found.run()


def test_marks_are_a_test_set_and_modes_are_compared(filled):
    with filled.session_scope("user:admin") as session:
        base = service.get(session, "docs")
        for query, name in (("cats sleep", "cats.md"), ("train to Vienna", "trains.md")):
            marks.mark(session, base, query, chunks(filled, name)[0].id, True)
    found = page("knowledge", id="docs", tab="quality")
    assert "Queries with a relevant passage: 2" in words(found)
    button(found, "quality_measure").click().run()
    found = measured(found)
    assert not found.exception
    assert not found.error
    table = found.dataframe[0].value
    assert list(table["settings"]) == ["Hybrid", "Dense", "Lexical"]
    assert all(cell.startswith("1.000") for cell in table["recall@10"])
    assert "Hybrid against Dense: nDCG@10" in words(found)
    button(found, "quality_save").click().run()
    with filled.read_scope() as session:
        assert service.get(session, "docs").retrieval["mode"] == "hybrid"


def test_judged_files_are_a_test_set(filled):
    found = page("knowledge", id="docs", tab="quality", set="beir", what="settings", b_k="2")
    found.file_uploader(key="beir_queries").upload(
        "queries.jsonl", b'{"_id": "1", "text": "cats"}\n{"_id": "2", "text": "none"}\n'
    )
    found.file_uploader(key="beir_qrels").upload(
        "qrels.tsv", b"query-id\tcorpus-id\tscore\n1\tcats.md\t1\n2\tgone.md\t1\n"
    ).run()
    button(found, "quality_measure").click().run()
    found = measured(found)
    assert not found.exception
    assert not found.error
    assert "judged documents not in this base: 1" in words(found)
    assert "nothing relevant is judged: 1" in words(found)
    assert len(found.dataframe[0].value) == 2


def test_a_wrong_file_is_named(filled):
    found = page("knowledge", id="docs", tab="quality", set="beir")
    found.file_uploader(key="beir_queries").upload("queries.jsonl", b"{nothing\n")
    found.file_uploader(key="beir_qrels").upload("qrels.tsv", b"x\n").run()
    button(found, "quality_measure").click().run()
    assert "line 1" in words(measured(found))


def test_cleaning_is_switched(filled):
    found = page("knowledge", id="docs", tab="settings")
    assert not found.exception
    found.toggle(key="clean_furniture").set_value(False).run()
    found.toggle(key="clean_pii").set_value(True).run()
    with filled.read_scope() as session:
        cleaning = service.get(session, "docs").cleaning
    assert (cleaning["furniture"], cleaning["pii"]) == (False, "mask")


def test_reindex_is_queued_with_what_was_chosen(filled, embedder):
    found = page("knowledge", id="docs", tab="settings", do="reindex")
    assert "beside the old index" in words(found)
    by_label(found.number_input, "Chunk, tokens").set_value(32)
    by_label(found.number_input, "Overlap").set_value(4)
    by_label(found.button, "Reindex base").click().run()
    assert not found.exception
    with filled.read_scope() as session:
        ingest = ingests.recent(session, service.get(session, "docs").id)[0]
    assert "Reindexing" in page_text(found)
    assert work(filled, ingest, embedder).state == "completed"
    with filled.read_scope() as session:
        assert service.get(session, "docs").chunker["chunk_tokens"] == 32


def page_text(found) -> str:
    return words(found) + " ".join(one.proto.text for one in found.get("progress"))


def test_a_base_is_deleted_by_its_typed_name_only(filled):
    found = page("knowledge", id="docs", tab="settings", do="delete")
    by_label(found.text_input, "Type docs to confirm").set_value("dogs")
    by_label(found.button, "Delete base").click().run()
    assert "This is not docs" in words(found)
    by_label(found.text_input, "Type docs to confirm").set_value("docs")
    by_label(found.button, "Delete base").click().run()
    assert not found.exception
    with filled.read_scope() as session:
        assert service.list_bases(session) == []


def test_snapshots_are_listed_named_compared_and_dropped(filled, embedder, tmp_path):
    more = tmp_path / "more.md"
    more.write_text("# More\n\nDogs bark.\n")
    fill(filled, embedder, more)
    found = page("knowledge", id="docs", tab="snapshots")
    assert not found.exception
    assert list(found.dataframe[0].value["snapshot"]) == ["2", "1", "0"]
    assert list(found.dataframe[1].value["document"]) == ["more.md"]
    naming = page("knowledge", id="docs", tab="snapshots", do="name")
    by_label(naming.text_input, "Message").set_value("before the fair")
    by_label(naming.button, "Name snapshot").click().run()
    dropping = page("knowledge", id="docs", tab="snapshots", do="drop")
    dropping.selectbox(key="drop_oldest").select(2)
    by_label(dropping.button, "Drop snapshots").click().run()
    assert not dropping.exception
    with filled.read_scope() as session:
        left = snapshots.list_snapshots(session, service.get(session, "docs").id)
    assert [(one.number, one.message) for one in left] == [(2, "before the fair")]


def test_an_old_snapshot_is_searched(filled, embedder, tmp_path):
    with filled.session_scope("user:admin") as session:
        base = service.get(session, "docs")
    documents.forget(filled, "user:admin", "docs", "trains.md")
    assert base.snapshot == 1
    assert "snapshot 2" in words(searched(filled))
    assert "snapshot 1" in words(searched(filled, snap="1"))


@pytest.fixture
def engineer(filled, embedder) -> Database:
    """Who looks is an engineer whose rule shows documents of the team b."""
    (tmp := filled.settings.data / "b.md").write_text("# Birds\n\nBirds eat seeds.\n")
    fill(filled, embedder, tmp, meta={"team": "b"})
    with filled.session_scope("system") as session:
        user = session.get(User, "admin")
        assert user is not None
        user.role = "engineer"
        session.add(user)
        set_rule(session, service.get(session, "docs"), "user:admin", {"team": ["b"]})
    return filled


def shown_documents(found) -> list[str]:
    return list(found.dataframe[0].value["document"]) if found.dataframe else []


def test_a_rule_holds_on_every_tab(engineer):
    listed = page("knowledge", id="docs")
    assert shown_documents(listed) == ["b.md"]
    assert not listed.file_uploader
    foreign = page("knowledge", id="docs", doc=document(engineer))
    assert "has no document" in words(foreign)
    assert "Cats sleep" not in words(foreign)
    assert "Found 1 ·" in words(searched(engineer))
    for tab in ("quality", "settings", "snapshots"):
        hidden = page("knowledge", id="docs", tab=tab)
        assert shown_documents(hidden) == ["b.md"]  # falls back to the documents
    for drawer in ("reindex", "delete", "remove", "drop"):
        assert not page("knowledge", id="docs", do=drawer).get("form_submit_button")


def test_without_the_rule_everything_is_seen(engineer):
    """Control: the rule, and nothing else, hid the other documents."""
    with engineer.session_scope("system") as session:
        set_rule(session, service.get(session, "docs"), "user:admin", None)
    assert len(shown_documents(page("knowledge", id="docs"))) == 4
    assert "Who may find what" not in words(page("knowledge", id="docs", tab="settings"))


def test_rules_are_set_and_a_base_restricted_by_the_administrator(filled):
    with filled.session_scope("system") as session:
        add_user(session, "dana", "engineer")
    found = page("knowledge", id="docs", tab="settings")
    found.selectbox(key="rule_subject").select("user:dana").run()
    found.multiselect(key="rule_pairs").set_value(["team=a"]).run()
    button(found, "rule_set").click().run()
    assert not found.exception
    found.toggle(key="base_restricted").set_value(True).run()
    with filled.read_scope() as session:
        base = service.get(session, "docs")
        found_rules = [(one.subject, one.allowed) for one in rules(session, base.id)]
    assert base.restricted
    assert found_rules == [("user:dana", {"team": ["a"]})]
