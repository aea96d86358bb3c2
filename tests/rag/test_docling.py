"""docling as a parser: what it reads, where it is confined, what is said when it is not there."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.database import Database
from core.errors import Unavailable
from rag import ingests
from rag.chunk_settings import Markdown
from rag.cleaning.settings import CleaningSettings
from rag.embedders import Embedder
from rag.parser_settings import BUILTIN, Docling, check_parser, has_docling
from rag.parsing.limits import Limits
from rag.parsing.process import Parsed, Parser, Refused
from rag.prepare import Recipe
from rag.sources import find_sources
from tests.support import bombs
from tests.support.bases import ACTOR, make_base, outcome, work

with_docling = pytest.mark.skipif(not has_docling(), reason="the extra docling is not installed")
without = pytest.mark.skipif(has_docling(), reason="the extra docling is installed")
PAGE = """<!doctype html><html><head><title>泵 &amp; more</title></head><body><h1>泵</h1>
<p>Heat_pumps move a &lt;b&gt; heat.</p><table><tr><th>Model</th><th>kW</th></tr>
<tr><td rowspan=2>A</td><td>5</td></tr><tr><td>7</td></tr></table><img src="http://127.0.0.1:9/x.png">
<script>alert(1)</script></body></html>"""


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(parser="docling") as found:
        yield found


def one(parser: Parser, data: bytes, name: str) -> Parsed:
    (found,) = parser.parse(data, name)
    assert isinstance(found, Parsed), found
    return found


def test_only_another_parser_changes_the_recipe() -> None:
    known = Recipe(Markdown(), CleaningSettings())
    assert Recipe(Markdown(), CleaningSettings(), BUILTIN).hash == known.hash
    assert Recipe(Markdown(), CleaningSettings(), Docling()).hash != known.hash


@without
def test_a_missing_extra_is_told_with_its_remedy() -> None:
    check_parser(BUILTIN)
    with pytest.raises(Unavailable, match=r"Install it with `pip install '\.\[docling\]'`"):
        check_parser(Docling())


@without
def test_an_ingest_for_docling_is_refused_here_and_ends_where_it_is_missing(
    sqlite_db: Database, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_base(sqlite_db, embedder)
    (tmp_path / "a.md").write_text("Words.")
    with sqlite_db.session_scope(ACTOR) as session, pytest.raises(Unavailable, match="docling"):
        ingests.start_add(session, "docs", find_sources([tmp_path / "a.md"]), parser=Docling())
    monkeypatch.setattr(ingests, "check_parser", lambda _: None)  # as on another machine
    with sqlite_db.session_scope(ACTOR) as session:
        found = find_sources([tmp_path / "a.md"])
        ingest = ingests.start_add(session, "docs", found, parser=Docling()).id
    ended = work(sqlite_db, ingest, embedder)
    assert ended.state == "failed"
    assert "pip install '.[docling]'" in str(ended.error)
    assert outcome(sqlite_db, ingest).snapshot is None


@with_docling
def test_a_file_is_read_anew_when_the_parser_is_another(
    sqlite_db: Database, embedder: Embedder, tmp_path: Path
) -> None:
    make_base(sqlite_db, embedder)
    (tmp_path / "a.html").write_text(PAGE)

    def add(parser: Docling | None) -> ingests.Progress:
        with sqlite_db.session_scope(ACTOR) as session:
            found = find_sources([tmp_path / "a.html"])
            started = ingests.start_add(session, "docs", found, parser=parser or BUILTIN).id
        return work(sqlite_db, started, embedder)

    ends = [add(None), add(Docling()), add(Docling()), add(None)]
    assert [(end.done, end.unchanged) for end in ends] == [(1, 0), (1, 0), (0, 1), (1, 0)]


@with_docling
def test_html_is_read_as_docling_does(parser: Parser) -> None:
    found = one(
        parser, PAGE.replace("<head>", '<head><meta charset="gb18030">').encode("gb18030"), "a.html"
    )
    assert (found.media, found.title) == ("html", "泵 & more")
    assert "# 泵\n\nHeat_pumps move a <b> heat." in found.text
    assert "| A | 5 |\n| A | 7 |" in found.text
    assert "alert" not in found.text
    assert found.notes[-1] == "1 picture was left out"


@with_docling
def test_slides_are_pages(parser: Parser) -> None:
    found = one(parser, bombs.slides("First", "Second"), "a.pptx")
    assert [found.text[at:].split("\n")[0] for at in found.pages] == ["# First", "# Second"]


@with_docling
def test_word_and_what_docling_leaves_to_us(parser: Parser) -> None:
    assert one(parser, bombs.docx_with(bombs.word("Some words.")), "a.docx").text == "Some words."
    assert (
        one(parser, bombs.pdf(b"BT /F 12 Tf 72 700 Td (Some words.) Tj ET"), "a.pdf").text
        == "Some words."
    )
    assert "| 1 | 2 |" in one(parser, bombs.xlsx(), "a.xlsx").text


REFUSED: dict[str, Callable[[], tuple[bytes, str, str]]] = {
    "docx laughs": lambda: (
        bombs.docx_with(bombs.word("&a9;", bombs.LAUGHS)), "a.docx", "entities"),
    "pptx laughs": lambda: (
        bombs.changed_part(bombs.slides("x"), "ppt/presentation.xml", b"<p:presentation",
                           bombs.LAUGHS.encode() + b"<p:presentation"), "a.pptx", "entities"),
    "half a docx": lambda: (bombs.docx_with(bombs.word("x"))[:300], "a.docx", "damaged"),
    "no text": lambda: (bombs.docx_with(bombs.word("")), "a.docx", "parser builtin"),
    "not a document": lambda: (
        bombs.docx_with(b"<x/>"), "a.docx", "docling does not read it"),
}  # fmt: skip


@with_docling
@pytest.mark.parametrize("kind", REFUSED)
def test_attack_is_refused(parser: Parser, kind: str) -> None:
    data, name, words = REFUSED[kind]()
    (found,) = parser.parse(data, name)
    assert isinstance(found, Refused), found
    assert words in found.reason


@with_docling
@pytest.mark.parametrize(
    "page",
    [
        b"<html>" + b"<div><ul><li>" * 100_000 + b"x",
        b"<html><p>" + b"<b>" * 200_000 + b"x",
        b"<table>" + b"<tr><td rowspan=99999 colspan=99999>x</td><td>y</td></tr>" * 50_000,
    ],
    ids=["deep", "inline", "table"],
)
def test_attack_is_bounded(page: bytes) -> None:
    with Parser(Limits(seconds=6), parser="docling") as parser:
        one(parser, PAGE.encode(), "a.html")
        began = time.monotonic()
        assert len(parser.parse(page, "a.html")) == 1
        assert time.monotonic() - began < 15
        one(parser, PAGE.encode(), "a.html")


@with_docling
def test_the_process_has_no_network_and_no_threads(parser: Parser) -> None:
    one(parser, PAGE.encode(), "a.html")
    assert parser.pid is not None
    process = psutil.Process(parser.pid)
    assert process.num_threads() == 1
    assert not process.net_connections("inet")
    assert Path(f"/proc/{parser.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    with Parser(Limits(memory_bytes=150 << 20), parser="docling") as tight:
        (found,) = tight.parse(PAGE.encode(), "a.html")
    assert isinstance(found, Refused)
