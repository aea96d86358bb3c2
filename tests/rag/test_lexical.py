"""BM25 against its formula written out, and what the postings answer."""

import math
from collections import Counter

import numpy as np
import pytest

from rag.lexical import K1, B, Lexical
from rag.terms import packed, terms, unpack

TEXTS = [
    "red apple and green apple",
    "green tea",
    "",
    "the apple tree, the oldest tree of all trees in the garden",
    "tea tea tea",
]


def lexical(texts: list[str]) -> Lexical:
    return Lexical(unpack([packed(text) for text in texts]))


def written_out(texts: list[str], query: list[str]) -> list[float]:
    cut = [Counter(terms(text)) for text in texts]
    mean = sum(sum(bag.values()) for bag in cut) / len(cut)
    scores = []
    for bag in cut:
        score = 0.0
        for term in query:
            having = sum(term in other for other in cut)
            idf = math.log(1 + (len(cut) - having + 0.5) / (having + 0.5))
            length = K1 * (1 - B + B * sum(bag.values()) / mean)
            score += idf * bag[term] / (bag[term] + length)
        scores.append(score)
    return scores


@pytest.mark.parametrize("query", [["appl"], ["tea", "green"], ["tree", "the", "nothing"], []])
def test_scores_are_those_of_the_formula(query: list[str]) -> None:
    found = lexical(TEXTS).scores(query)
    np.testing.assert_allclose(found, written_out(TEXTS, query), rtol=1e-5)


def test_random_texts_score_as_the_formula_says() -> None:
    rng = np.random.default_rng(7)
    words = [f"w{number}" for number in range(40)]
    texts = [" ".join(rng.choice(words, rng.integers(1, 60))) for _ in range(200)]
    index = lexical(texts)
    for _ in range(10):
        query = list(dict.fromkeys(rng.choice(words, 4).tolist()))
        np.testing.assert_allclose(index.scores(query), written_out(texts, query), rtol=1e-4)


def test_having_says_in_which_chunks_a_term_stands() -> None:
    index = lexical(TEXTS)
    assert index.having("tea", np.array([4, 0, 1])).tolist() == [True, False, True]
    assert index.having("nothing", np.array([0, 4])).tolist() == [False, False]


def test_no_chunks_and_empty_chunks_score_nothing() -> None:
    assert lexical([]).scores(["a"]).tolist() == []
    assert lexical(["", ""]).scores(["a"]).tolist() == [0, 0]
    assert lexical([]).having("a", np.zeros(0, np.int64)).tolist() == []
