"""The exact scan, its masks and its ties."""

import numpy as np
import pytest

from rag.vectors import Exact, best, matrix_of


def unit(rng: np.random.Generator, count: int) -> np.ndarray:
    found = rng.standard_normal((count, 32)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.11, 0.09, 0.004, 0.0])
def test_a_mask_gives_what_a_search_of_the_allowed_alone_gives(share: float) -> None:
    rng = np.random.default_rng(3)
    matrix, query = unit(rng, 1000), unit(rng, 1)[0]
    among = rng.random(1000) < share
    found = Exact(matrix).top(query, 10, among)
    order = np.argsort(-(matrix @ query), kind="stable")
    assert found.chunks.tolist() == [row for row in order if among[row]][:10]
    np.testing.assert_allclose(found.scores, matrix[found.chunks] @ query, rtol=1e-5)


def test_equal_scores_stand_in_the_order_of_the_chunks() -> None:
    scores = np.array([0.5, 0.9, 0.5, 0.5, 0.9, 0.1], np.float32)
    assert best(scores, 3).chunks.tolist() == [1, 4, 0]
    assert best(scores, 10).chunks.tolist() == [1, 4, 0, 2, 3, 5]
    among = np.array([False, False, True, True, True, True])
    assert best(scores, 2, among).chunks.tolist() == [4, 2]


def test_no_chunks_give_an_empty_ranking() -> None:
    assert (
        Exact(np.zeros((0, 32), np.float32)).top(np.ones(32, np.float32), 5).chunks.tolist() == []
    )


def test_vectors_of_another_length_are_refused() -> None:
    good = np.ones(4, "<f4").tobytes()
    assert matrix_of([good, good], 4).shape == (2, 4)
    assert matrix_of([], 4).shape == (0, 4)
    with pytest.raises(ValueError, match="dimensions"):
        matrix_of([good, good[:-4]], 4)
