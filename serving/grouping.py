"""Failures that are alike, in groups: by their error, else by the words of question and complaint.

Words are compared by the cosine of TF-IDF vectors; groups grow around whoever has the most
neighbours (Daura et al. 1999), so the same failures always make the same groups. Pure.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rag.terms import query_terms

THRESHOLD = 0.15
LEAST = 2
"""Members of a group."""
MOST_COMPARED = 2000
_MOST_TERMS = 2048
_READ = 1000
_REASON_WEIGHT = 2.0
_LABEL_TERMS = 4
_COMMON = 0.5
_MARKS = (
    (re.compile(r"https?://\S+"), "URL"),
    (re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b|\b[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*\b"), "ID"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "N"),
    (re.compile(r"\s+"), " "),
)


class Failure(NamedTuple):
    """One call: its error, the reasons that were given, and the words of question and comment."""

    id: str
    error: str | None
    reasons: tuple[str, ...]
    text: str


class Group(NamedTuple):
    """Alike failures in the order in which they were given; `label` is what they share.

    `by`: error, where the label is the error itself, or words.
    """

    by: str
    label: tuple[str, ...]
    ids: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.ids)


def group(failures: Sequence[Failure], threshold: float = THRESHOLD) -> list[Group]:
    """Groups of at least two, the largest first; who is like no other is in none.

    Looks at the first 2,000.
    """
    some = failures[:MOST_COMPARED]
    by_error: dict[str, list[Failure]] = {}
    for one in some:
        if one.error:
            by_error.setdefault(normal_error(one.error), []).append(one)
    found = [
        Group("error", (text,), tuple(one.id for one in members))
        for text, members in by_error.items()
        if len(members) >= LEAST
    ]
    found += _by_words([one for one in some if not one.error], threshold)
    places = {one.id: place for place, one in enumerate(some)}
    return sorted(found, key=lambda one: (-one.size, places[one.ids[0]]))


def normal_error(text: str) -> str:
    """An error without what differs from call to call: numbers, ids, addresses."""
    for pattern, name in _MARKS:
        text = pattern.sub(name, text)
    return text.strip()[:300]


Matrix = NDArray[np.float32]


class _Vectors(NamedTuple):
    """Unit vectors by term, so that products are cosines, and how rare each term is."""

    rows: Matrix
    terms: list[str]


def _by_words(failures: Sequence[Failure], threshold: float) -> list[Group]:
    words: dict[str, Counter[str]] = {}
    weights = [_weights(one, words) for one in failures]
    vectors = _vectors(weights)
    if len(failures) < LEAST or not vectors.terms:
        return []
    near = vectors.rows @ vectors.rows.T >= threshold
    np.fill_diagonal(near, True)
    return [
        Group("words", _label(vectors, members, words), tuple(failures[n].id for n in members))
        for members in _around_the_densest(near)
    ]


def _weights(failure: Failure, words: dict[str, Counter[str]]) -> dict[str, float]:
    """Terms of a failure; `words` learns which words stand for a term."""
    found: dict[str, float] = {}
    for term, word in query_terms(failure.text[:_READ]):
        if len(term) > 1:
            found[term] = 1.0
            words.setdefault(term, Counter())[word] += 1
    for reason in failure.reasons:
        term = f"reason {reason}"
        found[term] = _REASON_WEIGHT
        words.setdefault(term, Counter())[reason] += 1
    return found


def _vectors(weights: Sequence[Mapping[str, float]]) -> _Vectors:
    frequency = Counter(term for one in weights for term in one)
    shared = [one for one in frequency.most_common() if one[1] >= LEAST][:_MOST_TERMS]
    terms = sorted(term for term, _ in shared)
    place = {term: n for n, term in enumerate(terms)}
    rows = np.zeros((len(weights), len(terms)), np.float32)
    for number, one in enumerate(weights):
        length = 0.0
        for term, weight in one.items():
            value = weight * (math.log((1 + len(weights)) / (1 + frequency[term])) + 1)
            length += value * value
            if term in place:
                rows[number, place[term]] = value
        if length:
            rows[number] /= math.sqrt(length)
    return _Vectors(rows, terms)


def _around_the_densest(near: NDArray[np.bool_]) -> list[list[int]]:
    """Members of each group: who has the most neighbours left takes them; the first of equals."""
    counts = near.sum(axis=1)
    left = np.ones(len(near), bool)
    found: list[list[int]] = []
    while counts.max(initial=0) >= LEAST:
        members = np.flatnonzero(near[int(counts.argmax())] & left)
        found.append(members.tolist())
        left[members] = False
        counts -= near[:, members].sum(axis=1)
        counts[~left] = 0
    return found


def _label(
    vectors: _Vectors, members: Sequence[int], words: Mapping[str, Counter[str]]
) -> tuple[str, ...]:
    """The words that most of the group share, the most telling first."""
    rows = vectors.rows[members]
    share = (rows > 0).mean(axis=0)
    telling = np.where(share >= _COMMON, rows.mean(axis=0), 0.0)
    if not telling.any():
        telling = rows.mean(axis=0)
    order = sorted(np.flatnonzero(telling).tolist(), key=lambda n: (-telling[n], n))
    return tuple(words[vectors.terms[n]].most_common(1)[0][0] for n in order[:_LABEL_TERMS])
