"""Answers that a person wrote for known questions, found by the same text or by a near meaning."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from core.database import Database
from serving.folding import fold
from serving.settings import Pinned

if TYPE_CHECKING:
    from rag.embedders import Vectors

LONGEST_COMPARED = 1000
"""Characters; the packaged embedder reads 256 tokens."""
LEAST_TRUST = 0.8
_MARKS = " .,:;!?…·¡¿،؛؟।。、·'\"‘’‚“”„«»‹›「」『』()[]{}<>-–—*_~`"


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
    """Without case, width and hidden characters, blanks as one, no marks of sentences at the ends.

    Other signs stay: C, C# and C++ are three languages.
    """
    return fold(text).replace("\n", " ").strip(_MARKS)


def embed_questions(database: Database, texts: Sequence[str]) -> "Vectors":
    """Vectors by the packaged embedder, shape (texts, dimensions); never on the event loop.

    What it cannot read, or not to its end, is all zeros and near to nothing: its vectors of such
    texts resemble each other whatever they say.
    """
    from rag.searchers import searcher_of

    embedder = searcher_of(database).packaged_embedder()
    vectors = embedder.embed(list(texts)).copy()
    for at, text in enumerate(texts):
        if len(text) > LONGEST_COMPARED or embedder.trust(text) < LEAST_TRUST:
            vectors[at] = 0
    return vectors
