"""BEIR files as they are found: with and without header, with mistakes."""

from pathlib import Path

import pytest

from core.errors import Invalid
from rag.beir import corpus_file, read_corpus, read_qrels, read_queries


def test_a_corpus_is_read_line_by_line(tmp_path: Path):
    path = tmp_path / "corpus.jsonl"
    path.write_text(
        '\ufeff{"_id": "a", "title": "T", "text": "x", "metadata": {"lang": "en"}}\n\n'
        '{"_id": 7, "text": "y"}\n'
    )
    first, second = read_corpus(corpus_file(tmp_path))
    assert (first.id, first.title, first.text, first.meta) == ("a", "T", "x", {"lang": "en"})
    assert (second.id, second.title, second.meta) == ("7", "", {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"_id": "a", "text": "x"}\n{"_id": "b"}\n', "line 2"),
        ('{"_id": "a", "text": "x"}\nnonsense\n', "line 2 is no JSON"),
        ("[1]\n", "no JSON object"),
        ('{"_id": "", "text": "x"}\n', "line 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, says: str):
    path = tmp_path / "corpus.jsonl"
    path.write_text(text)
    with pytest.raises(Invalid, match=says):
        list(read_corpus(path))


def test_qrels_of_beir_and_trec(tmp_path: Path):
    path = tmp_path / "qrels.tsv"
    path.write_text("query-id\tcorpus-id\tscore\nq1\td 1\t2\nq1\td2\t0\n")
    assert read_qrels(path) == {"q1": {"d 1": 2.0, "d2": 0.0}}
    path.write_text("q1\td1\t1\n")
    assert read_qrels(path) == {"q1": {"d1": 1.0}}
    path.write_text("q1 0 d1 1\nq2 0 d2 1\n")
    assert read_qrels(path) == {"q1": {"d1": 1.0}, "q2": {"d2": 1.0}}


@pytest.mark.parametrize(
    ("text", "says"),
    [("q1\td1\n", "2 columns"), ("q\td\ts\nq1\td1\tmuch\n", "line 2"), ("q\td\ts\n", "judges no")],
)
def test_bad_qrels_are_named(tmp_path: Path, text: str, says: str):
    path = tmp_path / "qrels.tsv"
    path.write_text(text)
    with pytest.raises(Invalid, match=says):
        read_qrels(path)


def test_queries_need_id_and_text(tmp_path: Path):
    path = tmp_path / "queries.jsonl"
    path.write_text('{"_id": "q1", "text": "why"}\n')
    assert read_queries(path) == {"q1": "why"}
    path.write_text('{"_id": "q1"}\n')
    with pytest.raises(Invalid, match="line 1"):
        read_queries(path)
