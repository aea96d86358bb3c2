"""Knowledge bases by commands alone, as CONTRACT's users type them."""

from pathlib import Path

import pytest

from tests.support.shell import Shell

DOCUMENTS = {
    "cats.md": "# Cats\n\nCats sleep for most of the day.\n\n## Food\n\nA cat eats fish.\n",
    "trains.md": "# Trains\n\nThe night train to Vienna leaves at nine.\n",
    "tea.txt": "绿茶应当用八十度的水冲泡。".encode("gb18030"),
    "qahwa.txt": "القهوة العربية تقدم مع التمر".encode("cp1256"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "docs"
    found.mkdir()
    for name, content in DOCUMENTS.items():
        (found / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return found


def test_fill_search_and_take_out_again(shell: Shell, folder: Path):
    assert shell.json("kb", "create", "help")["snapshot"] == 0
    added = shell.json("kb", "add", "help", folder, "--meta", "team=a", "--wait")
    assert (added["status"], added["documents"], added["failed"]) == ("completed", 4, 0)
    assert [row["name"] for row in shell.json("kb", "list")["kbs"]] == ["help"]
    assert shell.json("kb", "show", "help")["documents"] == 4
    names = [row["name"] for row in shell.json("kb", "documents", "help")["documents"]]
    assert names == sorted(DOCUMENTS)
    for query, name in (
        ("what do cats eat", "cats.md"),
        ("绿茶 水温", "tea.txt"),
        ("القهوة", "qahwa.txt"),
    ):
        found = shell.json("kb", "search", "help", query, "--top-k", "1")
        assert set(found) >= {"kb", "snapshot", "query", "mode", "seconds", "hits"}
        (hit,) = found["hits"]
        assert hit["document"] == name
        assert {"rank", "score", "document_id", "chunk_id", "text", "start", "end", "page",
                "metadata"} <= set(hit)  # fmt: skip
    assert shell.json("kb", "search", "help", "cats", "--where", "team=b")["hits"] == []
    removed = shell.json("kb", "remove", "help", "cats.md")
    assert removed["document"] == "cats.md"
    hits = shell.json("kb", "search", "help", "what do cats eat", "--top-k", "8")["hits"]
    assert "cats.md" not in {hit["document"] for hit in hits}
    assert shell.json("kb", "snapshot", "help")["snapshot"] == 2


def test_the_same_folder_again_does_nothing(shell: Shell, folder: Path):
    shell("kb", "create", "again")
    shell("kb", "add", "again", folder, "--wait")
    (folder / "trains.md").unlink()
    again = shell.json("kb", "add", "again", folder, "--wait")
    assert (again["documents"], again["unchanged"], again["embedded"]) == (0, 3, 0)
    assert again["vanished"] == ["trains.md"]


def test_beir_files_are_measured_per_mode(shell: Shell):
    corpus = shell.write(
        "corpus.jsonl",
        '{"_id": "d1", "title": "Cats", "text": "A cat eats fish."}\n'
        '{"_id": "d2", "title": "Trains", "text": "The night train leaves at nine."}\n',
    )
    queries = shell.write("queries.jsonl", '{"_id": "q1", "text": "what does a cat eat"}\n')
    qrels = shell.write("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    shell("kb", "create", "set")
    assert shell.json("kb", "add", "set", corpus, "--format", "beir", "--wait")["documents"] == 2
    found = shell.json("kb", "eval", "set", "--queries", queries, "--qrels", qrels)
    assert found["n_queries"] == 1
    assert set(found["modes"]) == {"hybrid", "dense", "lexical"}
    for row in found["modes"].values():
        assert row["ndcg@10"] == row["hit@1"] == row["recall@100"] == 1
        assert row["p50_ms"] <= row["p95_ms"]


def test_mistakes_are_said_with_the_remedy(shell: Shell, folder: Path):
    assert "promptstone kb list" in shell.error("kb", "show", "nothing")
    shell("kb", "create", "wrong")
    assert "already" in shell.error("kb", "create", "wrong")
    assert "embedder" in shell.error("kb", "create", "other", "--embedder", "unknown-thing")
    assert "overlap" in shell.error("kb", "create", "other", "--overlap", "300")
    assert "Check the path" in shell.error("kb", "add", "wrong", folder / "missing")
    assert "KEY=VALUE" in shell.error("kb", "search", "wrong", "x", "--where", "novalue")
    assert "empty" in shell.error("kb", "search", "wrong", "  ")
    assert "no snapshot 9" in shell.error("kb", "search", "wrong", "x", "--snapshot", "9")
    assert "PROMPTSTONE_RERANKER" in shell.error("kb", "search", "wrong", "x", "--rerank")


def test_a_bad_file_is_named_and_the_others_go_on(shell: Shell, folder: Path):
    shell("kb", "create", "broken")
    (folder / "broken.docx").write_bytes(b"PK\x03\x04 not a document")
    found = shell.run("kb", "add", "broken", folder, "--wait")
    assert found.returncode == 0
    assert "broken.docx: " in found.stderr
    assert "4 documents" in found.stdout
    lone = shell.run("kb", "add", "broken", folder / "broken.docx", "--wait")
    assert lone.returncode == 1


def test_access_rules_are_set_shown_and_obeyed(shell: Shell, folder: Path):
    shell("kb", "create", "ruled")
    shell("kb", "add", "ruled", folder / "cats.md", "--meta", "team=a", "--wait")
    shell("kb", "add", "ruled", folder / "trains.md", "--meta", "team=b", "--wait")
    rules = shell.json("kb", "access", "ruled", "user:ann", "--where", "team=b", "--restricted")
    assert rules == {"kb": "ruled", "restricted": True, "access": {"user:ann": {"team": ["b"]}}}
    search = ("kb", "search", "ruled", "cats and trains", "--subject")
    assert [hit["document"] for hit in shell.json(*search, "user:ann")["hits"]] == ["trains.md"]
    assert shell.json(*search, "user:eve")["hits"] == []
    assert shell.json("kb", "access", "ruled", "user:ann", "--forget", "--open")["access"] == {}
    found = shell.json(*search, "user:eve")["hits"]
    assert {hit["document"] for hit in found} == {"cats.md", "trains.md"}
    assert "whose rule" in shell.error("kb", "access", "ruled", "--where", "team=b")
