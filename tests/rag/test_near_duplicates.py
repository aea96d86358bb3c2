"""Near duplicates, against the true Jaccard index of their shingles."""

import random

import pytest

from rag.cleaning.near_duplicates import NearDuplicates, near_duplicates
from tests.support.cpu import assert_linear

_RANDOM = random.Random(7)
_VOCABULARY = ["".join(_RANDOM.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(3000)]
_HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]


def _words(count: int) -> list[str]:
    return _RANDOM.choices(_VOCABULARY, k=count)


def _jaccard(one: list[str], other: list[str]) -> float:
    sets = [{tuple(each[i : i + 3]) for i in range(len(each) - 2)} for each in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.parametrize("join", [" ", ""])
def test_it_agrees_with_the_true_similarity(join: str) -> None:
    right = total = 0
    for changed in range(0, 40, 2):
        for _ in range(5):
            one = _words(200) if join else _RANDOM.choices(_HAN, k=200)
            other = list(one)
            for place in _RANDOM.sample(range(200), changed):
                other[place] = "other" if join else "另"
            similarity = _jaccard(one, other)
            if abs(similarity - 0.8) < 0.06:
                continue
            found = near_duplicates([join.join(one), join.join(other)], 0.8)[1] == 0
            right += found == (similarity > 0.8)
            total += 1
    assert total > 60
    assert right == total


def test_the_earlier_text_is_named() -> None:
    one, two = " ".join(_words(100)), " ".join(_words(100))
    texts = [one, two, one.upper() + "!", two + " end", "", "？！", "", one[: len(one) // 2]]
    assert near_duplicates(texts, 0.9) == [None, None, 0, 1, None, None, None, None]


def test_other_numbers_are_another_text() -> None:
    price = " ".join(_words(100)) + " costs 10 a month"
    assert near_duplicates([price, price.replace("10", "20"), price], 0.9) == [None, None, 0]


def test_short_texts_are_compared_whole() -> None:
    assert near_duplicates(["yes", "Yes.", "no", "是", "是。"], 0.9) == [None, 0, None, None, 3]


def test_the_threshold_matters() -> None:
    one = _words(100)
    other = [*one[:90], *_words(10)]
    texts = [" ".join(one), " ".join(other)]
    assert near_duplicates(texts, 0.95) == [None, None]
    assert near_duplicates(texts, 0.7) == [None, 0]


def test_many_alike_but_not_equal_texts_take_linear_time() -> None:
    base = _words(60)

    def add(count: int) -> None:
        seen: NearDuplicates[int] = NearDuplicates(0.95)
        for n in range(count):
            assert seen.add(n, " ".join([*base, f"number {n}"])) is None

    assert_linear(lambda: add(300), lambda: add(1200))
