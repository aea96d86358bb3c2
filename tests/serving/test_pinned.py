"""Pinned answers: the same question in other letters, a near one, and those that only look near."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.database import Database
from core.settings import Settings
from rag.searchers import close_searcher, searcher_of
from serving.pinned import LONGEST_COMPARED, PinnedAnswers, embed_questions, plain
from serving.settings import Pinned


def answers(*pinned: tuple[str, str]) -> PinnedAnswers:
    return PinnedAnswers(
        [
            Pinned(question=question, answer=question.upper(), match=match)
            for question, match in pinned
        ]  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "asked",
    [
        "What is C#?",
        "  what IS\n c# ",
        "«Ｗｈａｔ　ｉｓ Ｃ＃？»",
        "¿What is C#?!…",
        "What\u200b is C#",
    ],
)
def test_the_same_question_in_other_letters(asked: str) -> None:
    found = answers(("What is C?", "exact"), ("What is C#?", "exact")).exact(asked)
    assert found is not None
    assert found.question == "What is C#?"


@pytest.mark.parametrize("asked", ["What is C++?", "What is #C?", "What is C# for?", "", "?", " "])
def test_another_question(asked: str) -> None:
    assert answers(("What is C#?", "exact"), ("?!", "exact")).exact(asked) is None


def test_chinese_and_arabic_marks_are_marks() -> None:
    assert plain("“怎么退货？”") == plain("怎么退货。") == "怎么退货"
    assert plain("كيف؟") == "كيف"


def test_the_first_of_equal_questions_counts() -> None:
    twice = [Pinned(question="Hi", answer="1"), Pinned(question="hi!", answer="2")]
    found = PinnedAnswers(twice).exact("HI")
    assert found is not None
    assert found.answer == "1"


def test_only_similar_ones_need_vectors() -> None:
    assert not answers(("a", "exact")).needs_vectors
    both = answers(("a", "exact"), ("b", "similar"))
    assert both.needs_vectors
    assert both.similar_questions == ["b"]
    assert both.exact("B") is not None


def test_the_nearest_that_reaches_its_own_threshold() -> None:
    pinned = PinnedAnswers(
        [
            Pinned(question="a", answer="a", match="similar", threshold=0.99),
            Pinned(question="b", answer="b", match="similar", threshold=0.6),
            Pinned(question="c", answer="c", match="similar", threshold=0.5),
        ]
    )
    vectors = np.array([[0.8, 0.6], [0.7, 0.71], [0.6, 0.8]], np.float32)
    near = pinned.similar(np.array([1, 0], np.float32), vectors)
    assert near is not None
    assert (near.pinned.question, round(near.similarity, 2)) == ("b", 0.7)
    assert pinned.similar(np.array([0, 0], np.float32), vectors) is None


QUESTIONS = ["How do I reset my password?", "怎么重置密码？"]


@pytest.fixture(scope="module")
def embedding(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[Database]:
    data = tmp_path_factory.mktemp("pinned")
    shutil.copy(sqlite_template, data / "promptstone.db")
    database = Database(Settings(data_dir=data, database_url=None))
    yield database
    close_searcher(database)
    database.close()


def test_a_near_question_is_found_by_meaning(embedding: Database) -> None:
    pinned = answers(*((question, "similar") for question in QUESTIONS))
    vectors = embed_questions(embedding, pinned.similar_questions)
    near, other = embed_questions(embedding, ["how to reset the password", "When are you open?"])
    found = pinned.similar(near, vectors)
    assert found is not None
    assert found.pinned.question == QUESTIONS[0]
    assert pinned.similar(other, vectors) is None


def test_what_the_embedder_cannot_read_is_near_to_nothing(embedding: Database) -> None:
    """Control: to the embedder itself two Chinese questions of other things are nearly the same."""
    other = "退货需要多长时间？"
    raw = searcher_of(embedding).packaged_embedder().embed([QUESTIONS[1], other])
    assert float(raw[0] @ raw[1]) > 0.9
    pinned = answers((QUESTIONS[1], "similar"))
    vectors = embed_questions(embedding, [*QUESTIONS[1:], other])
    assert pinned.similar(vectors[1], vectors[:1]) is None
    assert pinned.exact(QUESTIONS[1]) is not None


def test_a_text_that_is_not_read_to_its_end_is_near_to_nothing(embedding: Database) -> None:
    (vector,) = embed_questions(embedding, [QUESTIONS[0] + " x" * LONGEST_COMPARED])
    assert not vector.any()
