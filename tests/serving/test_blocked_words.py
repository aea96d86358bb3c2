"""Blocked words: whole words in scripts that have borders, anywhere in those that have none."""

import pytest

from serving.blocked_words import WordFinder
from serving.folding import fold
from tests.support.cpu import assert_linear

LISTED = ("Cat", "credit card", "敏感词", "敏感", "C++", "naïve", "قطة", "кот", "ไทย", "कि")


def found(text: str) -> list[str]:
    return [hit.word for hit in WordFinder(LISTED).hits(fold(text))]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The CAT sat.", ["Cat"]),
        ("ｃａｔ and c\u200ba\u00adt", ["Cat", "Cat"]),
        ("CREDIT\n  card", ["credit card"]),
        ("这是敏感词吧，敏感", ["敏感词", "敏感"]),
        ("我的cat很好", ["Cat"]),
        ("I like c++!", ["C++"]),
        ("nai\u0308ve", ["naïve"]),
        ("قطة.", ["قطة"]),
        ("Кот, кот", ["кот", "кот"]),
        ("ภาษาไทยง่าย", ["ไทย"]),
        ("x-cat_", []),
        ("concatenate cats", []),
        ("creditcard", []),
        ("котик", []),
        ("किताब", []),
        ("", []),
    ],
)
def test_whole_words(text: str, words: list[str]) -> None:
    assert found(text) == words


def test_the_longer_of_two_that_overlap() -> None:
    finder = WordFinder(["bar", "foo bar baz", "baz qux", "bar"])
    assert [hit.word for hit in finder.hits("foo bar baz qux")] == ["foo bar baz"]
    assert [hit.word for hit in finder.hits("foo bar ba")] == ["bar"]


def test_what_folds_to_nothing_is_never_found() -> None:
    assert WordFinder(["\u200b", " "]).hits("a b") == []


def test_time_is_linear_with_a_thousand_words() -> None:
    finder = WordFinder(
        [*(f"word{n}" for n in range(800)), *("a" * n for n in range(1, 200)), "敏感"]
    )
    units = ("hello world ", "word1 word99 ", "a", "敏感词吧", "a ")
    short = [unit * (10_000 // len(unit)) for unit in units]
    long = [unit * (40_000 // len(unit)) for unit in units]
    assert_linear(lambda: list(map(finder.hits, short)), lambda: list(map(finder.hits, long)))
