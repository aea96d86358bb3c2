"""Answers that a person wrote for known questions, found by the same text or by a near meaning."""

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from core.database import Database
from serving.settings import Pinned

if TYPE_CHECKING:
    from rag.embedders import Vectors

_BLANKS = re.compile(r"\s+")


class Near(NamedTuple):
    """The pinned answer whose question is nearest, and its cosine."""

    pinned: Pinned
    similarity: float


class PinnedAnswers:
    """The pinned answers of a release."""

    def __init__(self, pinned: Sequence[Pinned]) -> None:
        self._exact = {plain(one.question): one for one in reversed(pinned)}
        self._similar = [one for one in pinned if one.match == "similar"]
        self._some = bool(pinned)

    def __bool__(self) -> bool:
        return self._some

    @property
    def needs_vectors(self) -> bool:
        """Whether a question that is not known word for word has to be embedded."""
        return bool(self._similar)

    @property
    def similar_questions(self) -> list[str]:
        """What the rows of `vectors` in `similar` stand for."""
        return [one.question for one in self._similar]

    def exact(self, question: str) -> Pinned | None:
        """The first whose question is the same but for case, blanks and marks at the ends."""
        key = plain(question)
        return self._exact.get(key) if key else None

    def similar(self, vector: "Vectors", vectors: "Vectors") -> Near | None:
        """The nearest question, if its cosine reaches its own threshold.

        `vector` has the shape (dimensions,), `vectors` (similar questions, dimensions), both of
        length 1.
        """
        cosines = vectors @ vector
        for at in (-cosines).argsort():
            one, cosine = self._similar[int(at)], float(cosines[at])
            if cosine >= one.threshold:
                return Near(one, cosine)
        return None


def plain(text: str) -> str:
    """NFKC without case, runs of blanks as one, no punctuation or symbols at the ends."""
    text = _BLANKS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    start, end = 0, len(text)
    while start < end and _is_mark(text[start]):
        start += 1
    while end > start and _is_mark(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_mark(char: str) -> bool:
    return char == " " or unicodedata.category(char)[0] in "PS"


def embed_questions(database: Database, texts: Sequence[str]) -> "Vectors":
    """Vectors by the packaged embedder, shape (texts, dimensions); never on the event loop."""
    from rag.searchers import searcher_of

    return searcher_of(database).packaged_embedder().embed(list(texts))
