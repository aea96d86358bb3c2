import ir_measures
import numpy as np
import pytest
import pytrec_eval
from ir_measures import RR, Success, nDCG

from evalsets.statistics.pairing import Method
from evalsets.statistics.retrieval import mean_over_queries, mode_difference, retrieval


def drawn(seed: int) -> tuple[list[str], dict[str, int]]:
    generator = np.random.default_rng(seed)
    documents = [f"d{i}" for i in range(40)]
    ranking = generator.permutation(documents)[:20].tolist()
    judged = generator.permutation(documents)[:12].tolist()
    return ranking, {document: int(generator.integers(0, 4)) for document in judged} | {"d0": 1}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [1, 5, 10])
def test_figures_equal_ir_measures_and_trec_eval(seed: int, k: int) -> None:
    ranking, qrels = drawn(seed)
    run = {"q": {document: float(-place) for place, document in enumerate(ranking)}}
    oracle = ir_measures.calc_aggregate([nDCG @ k, RR @ k, Success @ 1], {"q": qrels}, run)
    evaluator = pytrec_eval.RelevanceEvaluator({"q": qrels}, {f"recall.{k}"})
    found = retrieval(ranking, qrels, k)
    assert found.ndcg == pytest.approx(oracle[nDCG @ k], abs=1e-9)
    assert found.mrr == pytest.approx(oracle[RR @ k], abs=1e-9)
    assert found.hit_1 == oracle[Success @ 1]
    assert found.recall == pytest.approx(evaluator.evaluate(run)["q"][f"recall_{k}"])


def test_gains_agree_where_relevance_is_0_or_1_only() -> None:
    binary = retrieval(["a", "b", "c"], {"c": 1, "a": 1, "z": 1}, 3)
    graded = retrieval(["a", "b", "c"], {"c": 3, "a": 1, "z": 2}, 3)
    assert binary.ndcg == pytest.approx(binary.ndcg_exponential)
    assert graded.ndcg != pytest.approx(graded.ndcg_exponential)


def test_a_document_counts_at_its_first_place() -> None:
    twice = retrieval(["x", "x", "a", "a", "b"], {"a": 1, "b": 1}, 3)
    assert twice == retrieval(["x", "a", "b"], {"a": 1, "b": 1}, 3)


def test_negative_relevance_is_none() -> None:
    assert retrieval(["a"], {"a": -1, "b": 0}, 5).ndcg is None
    assert retrieval(["a", "b"], {"a": -1, "b": 2}, 5) == retrieval(["a", "b"], {"b": 2}, 5)


def test_a_query_without_hits_scores_0() -> None:
    for ranking in ([], ["x", "y"]):
        found = retrieval(ranking, {"a": 1}, 5)
        assert (found.ndcg, found.mrr, found.recall, found.hit_1) == (0, 0, 0, 0)


def test_mean_leaves_queries_out_and_counts_them() -> None:
    values = [0.2, None, 0.4, 0.9, None, 0.5, 0.1, 0.3, 0.7]
    found = mean_over_queries(values)
    assert (found.n_queries, found.left_out) == (7, 2)
    assert found.mean == pytest.approx(3.1 / 7)
    assert found.ci95 is not None


def test_two_modes_on_the_same_queries() -> None:
    low = [0.1, 0.2, None, 0.3, 0.4, 0.15, 0.25, 0.35]
    high = [None if value is None else value + 0.1 * (1 + i % 2) for i, value in enumerate(low)]
    found = mode_difference(high, low)
    assert (found.method, found.n_cases) == (Method.SIGN_FLIP, 7)
    assert found.p_value == pytest.approx(2 / 2**7)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        mode_difference(high, low[:-1])
