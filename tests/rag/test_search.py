"""One query over one index: every setting has a test in which it matters."""

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from core.errors import Invalid
from rag.index import BaseIndex, IndexRow, build_index
from rag.search import reranked, search
from rag.search_settings import SearchSettings
from rag.terms import packed

WORDS = [
    "apple pie with cinnamon",
    "green apple",
    "pear tart",
    "苹果派的做法",
    "فطيرة التفاح الأخضر",
    "apple apple apple juice",
]


def vector(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle), 0], np.float32)


# The further down the list, the less like the query [1, 0, 0].
ANGLES = [0.5, 0.4, 0.1, 0.2, 0.3, 1.2]
QUERY = vector(0.0)


def index(
    texts: list[str] = WORDS,
    angles: list[float] = ANGLES,
    documents: list[int] | None = None,
    parents: list[int | None] | None = None,
) -> BaseIndex:
    return build_index(
        [
            IndexRow(
                f"c{at}",
                documents[at] if documents else at,
                vector(angle).tobytes(),
                packed(text),
                parents[at] if parents else None,
            )
            for at, (text, angle) in enumerate(zip(texts, angles, strict=True))
        ],
        3,
    )


def found(settings: SearchSettings, query: str = "apple", **more: object) -> list[str]:
    return [hit.chunk_id for hit in search(index(), query, QUERY, settings, **more)]  # type: ignore[arg-type]


def test_dense_goes_by_cosine_and_lexical_by_words() -> None:
    assert found(SearchSettings(mode="dense", top_k=3)) == ["c2", "c3", "c4"]
    assert set(found(SearchSettings(mode="lexical"))) == {"c0", "c1", "c5"}


@pytest.mark.parametrize(("query", "chunk"), [("苹果", "c3"), ("تفاح", "c4"), ("Apples!", "c5")])
def test_lexical_finds_each_language(query: str, chunk: str) -> None:
    assert found(SearchSettings(mode="lexical", top_k=1), query) == [chunk]


def test_hybrid_joins_both_and_says_why() -> None:
    hits = search(index(), "green apple tart", QUERY, SearchSettings())
    by_id = {hit.chunk_id: hit for hit in hits}
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5, 6]
    assert all(one.score >= other.score for one, other in pairwise(hits))
    one = by_id["c1"]
    assert (one.dense_rank, one.lexical_rank, one.terms) == (4, 1, ("green", "apple"))
    assert one.dense_score == pytest.approx(np.cos(0.4), abs=1e-6)
    assert one.lexical_score is not None
    assert one.lexical_score > 0
    assert by_id["c3"].lexical_rank is None
    assert by_id["c3"].lexical_score is None
    assert by_id["c2"].terms == ("tart",)


def test_weights_decide_which_list_leads() -> None:
    assert found(SearchSettings(dense_weight=10, lexical_weight=0.1))[0] == "c2"
    assert found(SearchSettings(dense_weight=0, lexical_weight=1)) == found(
        SearchSettings(mode="lexical")
    )
    assert found(SearchSettings(dense_weight=1, lexical_weight=0)) == found(
        SearchSettings(mode="dense")
    )


def test_an_untrusted_dense_list_comes_after_every_lexical_hit() -> None:
    lexical = found(SearchSettings(mode="lexical"))
    assert found(SearchSettings(), dense_trust=0.001)[: len(lexical)] == lexical
    assert found(SearchSettings(), "nothing like it", dense_trust=0.001)[0] == "c2"
    assert found(SearchSettings())[: len(lexical)] != lexical


def test_depth_and_k_change_the_fusion() -> None:
    shallow = search(index(), "apple", QUERY, SearchSettings(depth=1, top_k=1))
    assert shallow[0].dense_rank in (1, None)
    steep = search(index(), "apple", QUERY, SearchSettings(rrf_k=0))
    flat = search(index(), "apple", QUERY, SearchSettings(rrf_k=1000))
    assert steep[0].score - steep[-1].score > flat[0].score - flat[-1].score


def test_min_score_is_in_the_scale_of_the_mode() -> None:
    assert found(SearchSettings(mode="dense", min_score=0.97)) == ["c2", "c3"]
    assert found(SearchSettings(mode="lexical", min_score=100)) == []
    scores = [hit.score for hit in search(index(), "apple", QUERY, SearchSettings())]
    kept = found(SearchSettings(min_score=scores[2]))
    assert len(kept) == 3


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_filters_come_before_ranking(mode: str) -> None:
    settings = SearchSettings(mode=mode, top_k=2)  # type: ignore[arg-type]
    allowed = np.array([True, False, False, False, True, False])
    hits = search(index(), "apple تفاح", QUERY, settings, allowed)
    assert {hit.document for hit in hits} == {0, 4}
    assert {hit.dense_rank for hit in hits} <= {1, 2, None}
    assert search(index(), "apple", QUERY, settings, np.zeros(6, bool)) == []


def test_of_the_children_of_one_parent_the_best_is_given() -> None:
    family = index(parents=[None, 1, 7, 7, 7, 1])
    once = search(family, "apple", QUERY, SearchSettings(mode="dense"))
    assert [hit.chunk_id for hit in once] == ["c2", "c1", "c0"]
    every = search(family, "apple", QUERY, SearchSettings(mode="dense", one_per_parent=False))
    assert len(every) == 6


def test_many_children_at_the_top_leave_room_for_others() -> None:
    texts, angles = ["apple"] * 40, [0.001 * at for at in range(40)]
    parents: list[int | None] = [0] * 30 + [None] * 10
    family = index(texts, angles, parents=parents)
    hits = search(family, "apple", QUERY, SearchSettings(top_k=8, depth=8))
    assert [hit.chunk_id for hit in hits] == ["c0", *[f"c{at}" for at in range(30, 37)]]


def test_equal_scores_stand_in_the_order_of_the_chunks() -> None:
    twins = index(["same"] * 6, [0.0] * 6)
    for mode in ("hybrid", "dense", "lexical"):
        settings = SearchSettings(mode=mode, top_k=4)  # type: ignore[arg-type]
        hits = search(twins, "same", QUERY, settings)
        assert [hit.chunk_id for hit in hits] == ["c0", "c1", "c2", "c3"]


def test_rerank_reads_more_than_it_gives_and_orders_anew() -> None:
    settings = SearchSettings(rerank=True, rerank_depth=6, top_k=2, min_score=0.5)
    hits = search(index(), "apple", QUERY, settings)
    assert len(hits) == 6
    scores = np.array([0.1, 0.9, 0.2, 0.9, 0.3, 0.45], np.float32)
    given = reranked(hits, scores, settings)
    assert [hit.chunk_id for hit in given] == [hits[1].chunk_id, hits[3].chunk_id]
    assert [(hit.rank, hit.rerank_score) for hit in given] == [(1, pytest.approx(0.9)), (2, pytest.approx(0.9))]  # fmt: skip
    assert reranked(hits, scores / 2, settings) == []


def test_an_empty_base_finds_nothing() -> None:
    assert search(build_index([], 3), "apple", QUERY, SearchSettings()) == []


def test_without_a_vector_only_lexical_search_works() -> None:
    assert search(index(), "apple", None, SearchSettings(mode="lexical"))
    with pytest.raises(Invalid, match="Use the mode lexical"):
        search(index(), "apple", None, SearchSettings())


def test_wrong_settings_are_refused() -> None:
    for wrong in ({"mode": "magic"}, {"top_k": 0}, {"dense_weight": -1}, {"rrf_k": -1}, {"x": 1}):
        with pytest.raises(ValidationError):
            SearchSettings(**wrong)  # type: ignore[arg-type]
