"""RRF against its formula."""

import numpy as np
import pytest

from rag.fusion import Weighted, fuse
from rag.vectors import Ranking


def ranking(*chunks: int) -> Ranking:
    return Ranking(np.array(chunks, np.int64), np.linspace(1, 0, len(chunks), dtype=np.float32))


def test_scores_are_weighted_reciprocal_ranks_as_a_share_of_the_best_possible() -> None:
    found = fuse([Weighted(ranking(7, 3, 5), 2.0), Weighted(ranking(3, 9), 1.0)], 60, 10)
    wanted = {7: 2 / 61, 3: 2 / 62 + 1 / 61, 5: 2 / 63, 9: 1 / 62}
    order = sorted(wanted, key=lambda chunk: -wanted[chunk])
    assert found.chunks.tolist() == order
    np.testing.assert_allclose(
        found.scores, [wanted[chunk] / (3 / 61) for chunk in order], rtol=1e-6
    )


def test_first_in_every_list_scores_one() -> None:
    found = fuse([Weighted(ranking(4, 1), 0.3), Weighted(ranking(4, 2), 5.0)], 10, 10)
    assert found.chunks[0] == 4
    assert found.scores[0] == pytest.approx(1.0)


def test_equal_scores_stand_in_the_order_of_the_chunks() -> None:
    found = fuse([Weighted(ranking(9, 2), 1.0), Weighted(ranking(2, 9), 1.0)], 60, 10)
    assert found.chunks.tolist() == [2, 9]


def test_an_empty_list_changes_no_order() -> None:
    found = fuse([Weighted(ranking(5, 1, 3), 1.0), Weighted(ranking(), 1.0)], 60, 10)
    assert found.chunks.tolist() == [5, 1, 3]
    assert fuse([Weighted(ranking(), 1.0)], 60, 10).chunks.tolist() == []


def test_longer_lists_change_nothing_at_the_top() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.permutation(300), rng.permutation(300)
    short = fuse([Weighted(ranking(*one[:30]), 1.5), Weighted(ranking(*other[:30]), 1.0)], 60, 30)
    long = fuse([Weighted(ranking(*one), 1.5), Weighted(ranking(*other), 1.0)], 60, 30)
    assert long.chunks[: len(short.chunks)].tolist() == short.chunks.tolist()
    deep = fuse([Weighted(ranking(*one), 1.5), Weighted(ranking(*other), 1.0)], 60, 300)
    assert deep.chunks[:30].tolist() != short.chunks[:30].tolist()
    assert len(long.chunks) == 300
    assert (np.diff(long.scores) <= 0).all()
