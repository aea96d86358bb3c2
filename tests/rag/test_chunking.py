"""Pieces: exact offsets, limits, coverage, overlap; what a person would cut; linear time."""

import itertools

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.tokens import count_text
from rag.chunk_settings import Markdown, ParentChild, Recursive
from rag.chunking import Piece, chunk
from tests.support.cpu import assert_linear
from tests.support.depth import DEEP

CHUNKERS = (Recursive, Markdown, ParentChild)

_WORDS = st.sampled_from(
    [
        *("word", "Sentence one. ", "and then, after that; ", "the end!\n", "\n\n", "\r\n", "\t"),
        *("大模型推理。", "显存优化，算子融合；", "什么？", "「引用！」", "هل هذا صحيح؟ ", "نعم، بالطبع. "),
        *("👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "e\u0301\u0323", "각각", "ก็ที่นี่", "नमस्ते", "\ud800", "\x00", "\f"),
        *("# Title\n", "## Part\n", "Title\n---\n", "```py\n", "```\n", "~~~\n", "````\n", "---\n"),
        *("| a | b |\n", "|---|---|\n", "- item\n", "    indented code\n", "> quote\n", "3.14", "x" * 90),
        *(" " * 300, "a" * 400, "same same same ", "https://example.com/a/b?c=d&e=f "),
    ]
)  # fmt: skip
TEXTS = st.lists(_WORDS, max_size=120).map("".join) | st.text(max_size=300)


def _tokens(text: str) -> int:
    return count_text(text).n


def _check(text: str, pieces: list[Piece], limit: int) -> None:
    covered = 0
    for piece in pieces:
        assert piece.text == text[piece.start : piece.end]
        assert piece.text.strip()
        assert _tokens(piece.text) <= limit
        assert not text[covered : piece.start].strip()
        assert piece.end > covered
        covered = piece.end
    assert not text[covered:].strip()
    starts = [piece.start for piece in pieces]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("kind", CHUNKERS)
@given(text=TEXTS, tokens=st.integers(16, 80), share=st.floats(0, 0.9))
@settings(max_examples=600 if DEEP else 60, deadline=None)
def test_pieces_cover_the_text_exactly(
    kind: type[Recursive | Markdown | ParentChild], text: str, tokens: int, share: float
) -> None:
    chosen = kind(chunk_tokens=tokens, overlap=int(tokens * share))
    pieces = chunk(text, (), chosen)
    _check(text, pieces, tokens)
    assert pieces == chunk(text, (), chosen)


@given(text=TEXTS, tokens=st.integers(32, 80), overlap=st.integers(0, 20))
@settings(max_examples=600 if DEEP else 60, deadline=None)
def test_the_overlap_is_at_most_what_is_allowed(text: str, tokens: int, overlap: int) -> None:
    pieces = chunk(text, (), Recursive(chunk_tokens=tokens, overlap=overlap))
    for before, after in itertools.pairwise(pieces):
        assert _tokens(text[after.start : before.end]) <= overlap


@given(text=TEXTS)
@settings(max_examples=400 if DEEP else 40, deadline=None)
def test_a_child_lies_in_its_parent(text: str) -> None:
    for piece in chunk(text, (), ParentChild(chunk_tokens=20, overlap=4, parent_tokens=60)):
        assert piece.parent is not None
        start, end = piece.parent
        assert start <= piece.start < piece.end <= end
        assert _tokens(text[start:end]) <= 60


@given(
    text=st.lists(
        st.sampled_from(["🇩🇪", "👨\u200d👩\u200d👧", "é́", "각", "नि", "ก็", "a", "的"]), min_size=60
    ).map("".join)
)
@settings(max_examples=200 if DEEP else 20, deadline=None)
def test_what_is_seen_as_one_character_stays_one(text: str) -> None:
    borders = {match.start() for match in regex.finditer(r"\X", text)} | {len(text)}
    for piece in chunk(text, (), Recursive(chunk_tokens=32, overlap=6)):
        assert {piece.start, piece.end} <= borders


PROSE = " ".join(
    f"Sentence number {n} tells of the {n}th thing, which is long enough to matter."
    for n in range(200)
)


def test_prose_overlaps_by_whole_sentences() -> None:
    pieces = chunk(PROSE, (), Recursive(chunk_tokens=128, overlap=40))
    assert all(piece.text.startswith("Sentence number") for piece in pieces)
    assert all(piece.text.endswith("matter.") for piece in pieces)
    for before, after in itertools.pairwise(pieces):
        assert after.start < before.end
    none = chunk(PROSE, (), Recursive(chunk_tokens=128, overlap=0))
    assert len(none) < len(pieces)
    assert all(a.end <= b.start for a, b in itertools.pairwise(none))


def test_a_sentence_longer_than_the_overlap_gives_its_last_clause() -> None:
    text = " ".join(
        f"In case {n} the long clause that goes on and on comes first and is long, then comes clause {n}."
        for n in range(40)
    )
    pieces = chunk(text, (), Recursive(chunk_tokens=64, overlap=8))
    assert all(piece.text.startswith("then comes clause") for piece in pieces[1:])


@pytest.mark.parametrize(
    ("sentence", "end"),
    [("这里有一句相当长的中文，用来测试分块的边界。", "。"), ("هذه جملة عربية طويلة، كتبت لاختبار الحدود؟ ", "؟")],
)  # fmt: skip
def test_chinese_and_arabic_sentences_end_pieces(sentence: str, end: str) -> None:
    pieces = chunk(sentence * 60, (), Recursive(chunk_tokens=64, overlap=0))
    assert len(pieces) > 5
    assert all(piece.text.endswith(end) for piece in pieces)


def test_paragraphs_are_preferred_to_sentences() -> None:
    paragraphs = [f"Paragraph {n}. " + "It says a little more here. " * 12 for n in range(20)]
    pieces = chunk("\n\n".join(paragraphs), (), Recursive(chunk_tokens=128, overlap=0))
    assert all(piece.text.startswith("Paragraph") for piece in pieces)


def test_repeated_passages_have_their_own_offsets() -> None:
    text = "The same sentence stands here again. " * 400
    pieces = chunk(text, (), Recursive(chunk_tokens=64, overlap=16))
    _check(text, pieces, 64)
    assert len({piece.start for piece in pieces}) == len(pieces) > 40


def test_pages_count_from_one() -> None:
    pages = ["First page. " * 60, "Second page. " * 60, "Third page. " * 60]
    text = "\n\n".join(pages)
    starts = [0, len(pages[0]) + 2, len(pages[0]) + len(pages[1]) + 4]
    for piece in chunk(text, starts, Recursive(chunk_tokens=64, overlap=0)):
        assert text[piece.start :].startswith(("First", "Second", "Third")[(piece.page or 0) - 1])
    assert {piece.page for piece in chunk(text, (), Recursive())} == {None}


MARKDOWN = """---
title: Handbook
# not a heading
---
# Handbook

Welcome to the handbook.

## Install
### On Linux

Run this:

```bash
# comment, not a heading
apt install thing
```

### On Windows

Click twice.

Usage [guide](https://example.com) `x`
--------------------------------------

| key | value |
|-----|-------|
| a   | 1. one |

## Empty
"""


def test_markdown_is_cut_at_headings_with_their_path() -> None:
    pieces = chunk(MARKDOWN, (), Markdown())
    assert [piece.headings for piece in pieces] == [
        (),
        ("Handbook",),
        ("Handbook", "Install", "On Linux"),
        ("Handbook", "Install", "On Windows"),
        ("Handbook", "Usage guide x"),
        ("Handbook", "Empty"),
    ]
    assert pieces[0].text.startswith("---\ntitle")
    # A heading with nothing below it stays with the section that follows.
    assert pieces[2].text.startswith("## Install\n### On Linux")
    _check(MARKDOWN, pieces, 256)


@pytest.mark.parametrize("fence", ["```", "~~~~", "  ```", "> ```"])
def test_a_code_block_that_fits_is_never_parted(fence: str) -> None:
    code = f"{fence}py\n" + "".join(f"# step {n}\nx{n} = {n}\n\n" for n in range(14)) + f"{fence}"
    text = "# T\n\n" + ("Some prose stands before it. " * 9 + "\n\n" + code + "\n\n") * 6
    assert 100 < _tokens(code) <= 192
    pieces = chunk(text, (), Markdown(chunk_tokens=192, overlap=32))
    assert sum(piece.text.count(code) for piece in pieces) == 6
    _check(text, pieces, 192)
    assert {piece.headings for piece in pieces} == {("T",)}


def test_a_long_code_block_is_cut_before_definitions() -> None:
    code = "\n".join(f"def f{n}(a):\n    b = a + {n}\n    return b * {n}\n" for n in range(60))
    pieces = chunk(f"# T\n```python\n{code}```\n", (), Markdown(chunk_tokens=128, overlap=16))
    assert len(pieces) > 5
    assert all(piece.text.startswith("def ") for piece in pieces[1:])
    assert all(a.end <= b.start for a, b in itertools.pairwise(pieces))


def test_a_long_table_is_cut_at_rows_and_repeats_nothing() -> None:
    rows = [f"| row {n} | It has sentences. And more. | 1.{n} |" for n in range(120)]
    pieces = chunk("\n".join(rows), (), Markdown(chunk_tokens=100, overlap=30))
    lines = [line for piece in pieces for line in piece.text.splitlines()]
    assert lines == rows


def test_a_fence_that_never_closes_hides_no_heading() -> None:
    text = "# A\n\n~~~\ncode\n\n# B\n\ntext\n\n````\nx\n```\ny\n````\n# C\n\ntext"
    assert [piece.headings for piece in chunk(text, (), Markdown())] == [("A",), ("B",), ("C",)]


def test_only_markdown_reads_headings() -> None:
    assert {piece.headings for piece in chunk(MARKDOWN, (), Recursive(chunk_tokens=40))} == {()}


def test_parents_join_small_sections() -> None:
    text = "# A\n\nIntro.\n\n" + "".join(f"## S{n}\n\nShort text {n}.\n\n" for n in range(8))
    pieces = chunk(text, (), ParentChild(chunk_tokens=32, overlap=0, parent_tokens=200))
    assert {piece.parent for piece in pieces} == {(0, len(text.rstrip()))}
    assert pieces[3].headings == ("A", "S2")
    sections = "# A\n\nx. " + "Much text. " * 60 + "\n\n# B\n\ny. " + "Much text. " * 60
    parents = {piece.parent for piece in chunk(sections, (), ParentChild(parent_tokens=300))}
    assert len(parents) == 2


def test_small_documents_are_one_piece() -> None:
    for kind in CHUNKERS:
        assert [piece.text for piece in chunk("\n\n Hello.\n", (3,), kind())] == ["Hello."]
        assert chunk(" \n\t\u3000", (), kind()) == []


_SIZE = 2_000_000 if DEEP else 100_000
_HOSTILE = {
    "one letter": "a",
    "no break": "lorem ipsum ",
    "dots": ".",
    "dots and blanks": ". ",
    "lines": "x\n",
    "blanks": " ",
    "blank lines": " \n",
    "chinese": "的",
    "marks": "\u0301",
    "families": "👨‍👩‍👧",
    "flags": "🇩🇪",
    "jamo": "\u1100\u1161\u11a8",
    "headings": "# a\n",
    "sections": "# a\nb\n",
    "fences": "```a\n",
    "growing fences": "`",
    "rows": "|a|b|\n",
    "pipes": "|",
    "underlines": "a\n---\n",
    "dashes": "-",
    "brackets": "# [",
    "quotes": ">",
    "returns": "abc def.\r",
    "surrogates": "\ud800",
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_texts_take_linear_time(name: str) -> None:
    short, long = (
        "a" + _HOSTILE[name] * (size // len(_HOSTILE[name])) + "b" for size in (_SIZE // 4, _SIZE)
    )
    assert_linear(lambda: chunk(short, (), Markdown()), lambda: chunk(long, (), Markdown()))
    for text in (short, long):
        if len(text) < 200_000:
            _check(text, chunk(text, (), Markdown()), 256)
