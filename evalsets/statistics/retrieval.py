"""How well a ranking of documents meets the judged ones: nDCG, MRR, recall, hit@1."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalsets.statistics.quantiles import Interval
from evalsets.statistics.scores import ScoreDifference, mean_score, score_difference


@dataclass(frozen=True)
class Retrieval:
    """Figures of one query at k; all None when no judged document is relevant."""

    ndcg: float | None
    ndcg_exponential: float | None
    mrr: float | None
    recall: float | None
    hit_1: float | None


@dataclass(frozen=True)
class RetrievalMean:
    """Mean of one figure over queries; `left_out` have no relevant document."""

    n_queries: int
    left_out: int
    mean: float | None
    ci95: Interval | None


def retrieval(ranking: Sequence[str], qrels: Mapping[str, float], k: int) -> Retrieval:
    """`qrels`: relevance by document; 0 and below is not relevant.

    nDCG with linear gain as trec_eval; the exponential one (2^rel − 1) is never mixed with it.
    A document twice in the ranking counts at its first place.
    """
    relevant = {document: gain for document, gain in qrels.items() if gain > 0}
    if not relevant:
        return Retrieval(None, None, None, None, None)
    top = list(dict.fromkeys(ranking))[:k]
    gains = [relevant.get(document, 0.0) for document in top]
    ideal = sorted(relevant.values(), reverse=True)[:k]
    places = [place for place, gain in enumerate(gains, 1) if gain > 0]
    return Retrieval(
        ndcg=_dcg(gains) / _dcg(ideal),
        ndcg_exponential=_dcg([2**g - 1 for g in gains]) / _dcg([2**g - 1 for g in ideal]),
        mrr=1 / places[0] if places else 0.0,
        recall=len(places) / len(relevant),
        hit_1=float(places[:1] == [1]),
    )


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, 1))


def mean_over_queries(values: Sequence[float | None]) -> RetrievalMean:
    """Mean of a figure with a bootstrap of queries; None marks a query left out."""
    known = [[value] for value in values if value is not None]
    mean = mean_score(known)
    return RetrievalMean(len(known), len(values) - len(known), mean.mean, mean.ci95)


def mode_difference(
    candidate: Sequence[float | None], baseline: Sequence[float | None]
) -> ScoreDifference:
    """Two modes on the same queries: bootstrap of queries and sign-flip p; no words."""
    pairs = zip(candidate, baseline, strict=True)
    known = [[(ours, theirs)] for ours, theirs in pairs if ours is not None and theirs is not None]
    return score_difference(known)
