"""How well searches of a base find what people judged relevant, per mode and of two settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from core.database import Database
from core.errors import Invalid
from evalsets.runs.arm_report import quantile
from evalsets.statistics.retrieval import (
    Retrieval,
    RetrievalMean,
    mean_over_queries,
    mode_difference,
    retrieval,
)
from evalsets.statistics.scores import ScoreDifference
from rag.beir import read_qrels, read_queries
from rag.documents import iter_documents
from rag.search_settings import SearchSettings
from rag.searching import Searcher, saved_settings
from rag.service import get

DEPTH = 100
_MOST_DEPTH = 200
_FIGURES = ("ndcg@10", "recall@10", "recall@100", "mrr@10", "hit@1")


class Judged(NamedTuple):
    """Queries with relevance by document name; `unknown` judged documents are not in the base."""

    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, float]]
    unknown: int


@dataclass(frozen=True)
class Measured:
    """One setting over all queries, in their order; times in milliseconds."""

    settings: SearchSettings
    at_10: tuple[Retrieval, ...]
    at_100: tuple[Retrieval, ...]
    milliseconds: tuple[float, ...]

    def values(self, figure: str) -> list[float | None]:
        """One figure of every query; None where nothing was relevant."""
        match figure:
            case "ndcg@10":
                return [one.ndcg for one in self.at_10]
            case "recall@10":
                return [one.recall for one in self.at_10]
            case "recall@100":
                return [one.recall for one in self.at_100]
            case "mrr@10":
                return [one.mrr for one in self.at_10]
            case "hit@1":
                return [one.hit_1 for one in self.at_10]
            case _:
                raise Invalid(f"There is no figure {figure!r}. Choose of {', '.join(_FIGURES)}.")

    def mean(self, figure: str) -> RetrievalMean:
        """Mean of a figure with its interval (bootstrap of queries)."""
        return mean_over_queries(self.values(figure))


def measure(
    searcher: Searcher,
    kb: str,
    judged: Judged,
    settings: SearchSettings,
    *,
    snapshot: int | None = None,
    told: Callable[[int], None] | None = None,
) -> Measured:
    """Search every judged query once, after one that nobody counts; `told` hears of each.

    Documents are ranked by their best chunk. Recall needs 100 documents, of which a long one may
    fill many chunks: the search goes as deep as it may.
    """
    deep = settings.model_copy(update={"top_k": _MOST_DEPTH, "min_score": None})
    at_10: list[Retrieval] = []
    at_100: list[Retrieval] = []
    times: list[float] = []
    queries = [key for key in judged.queries if key in judged.qrels]
    if not queries:
        raise Invalid("No query of the file is judged. Check that the ids of both files agree.")
    searcher.ranking(kb, judged.queries[queries[0]], settings, snapshot=snapshot)
    for number, key in enumerate(queries, 1):
        times.append(
            searcher.ranking(kb, judged.queries[key], settings, snapshot=snapshot).seconds * 1000
        )
        ranking = searcher.ranking(kb, judged.queries[key], deep, snapshot=snapshot).documents
        at_10.append(retrieval(ranking, judged.qrels[key], 10))
        at_100.append(retrieval(ranking, judged.qrels[key], DEPTH))
        if told is not None:
            told(number)
    return Measured(settings, tuple(at_10), tuple(at_100), tuple(times))


def compare(ours: Measured, theirs: Measured, figure: str = "ndcg@10") -> ScoreDifference:
    """Two settings on the same queries: difference with interval and sign-flip p, no words."""
    return mode_difference(ours.values(figure), theirs.values(figure))


def read_judged(database: Database, kb: str, queries: Path, qrels: Path) -> Judged:
    """BEIR files for a base; judged documents that it does not hold are counted and left out."""
    found, judgements = read_queries(queries), read_qrels(qrels)
    with database.read_scope() as session:
        names = {row.name for row in iter_documents(session, kb)}
    unknown = {name for judged in judgements.values() for name in judged if name not in names}
    kept = {
        query: {name: gain for name, gain in judged.items() if name not in unknown}
        for query, judged in judgements.items()
    }
    return Judged(found, kept, len(unknown))


def evaluate_files(
    database: Database,
    searcher: Searcher,
    kb: str,
    queries: Path,
    qrels: Path,
    modes: Sequence[str],
    *,
    snapshot: int | None = None,
) -> dict[str, Any]:
    """What `kb eval --json` prints."""
    with database.read_scope() as session:
        base = get(session, kb)
    own = saved_settings(base)
    judged = read_judged(database, kb, queries, qrels)
    results = {
        mode: measure(
            searcher, kb, judged, own.model_copy(update={"mode": mode}), snapshot=snapshot
        )
        for mode in modes
    }
    first = next(iter(results.values())).mean("ndcg@10")
    return {
        "kb": kb,
        "snapshot": base.snapshot if snapshot is None else snapshot,
        "n_queries": first.n_queries,
        "left_out": first.left_out,
        "unknown_documents": judged.unknown,
        "modes": {mode: figures(measured) for mode, measured in results.items()},
        "comparisons": [
            _comparison(mode, base_mode, results)
            for base_mode, mode in zip(list(results), list(results)[1:], strict=False)
        ],
    }


def figures(measured: Measured) -> dict[str, Any]:
    """Means with intervals, and latency."""
    times = sorted(measured.milliseconds)
    means = {name: measured.mean(name) for name in _FIGURES}
    return {
        **{name: one.mean for name, one in means.items()},
        "ci95": {name: one.ci95 for name, one in means.items()},
        "p50_ms": quantile(times, 0.5),
        "p95_ms": quantile(times, 0.95),
    }


def _comparison(ours: str, theirs: str, results: Mapping[str, Measured]) -> dict[str, Any]:
    found = compare(results[ours], results[theirs])
    return {
        "baseline": theirs,
        "candidate": ours,
        "figure": "ndcg@10",
        "difference": found.difference,
        "difference_ci95": found.difference_ci95,
        "p_value": found.p_value,
    }
