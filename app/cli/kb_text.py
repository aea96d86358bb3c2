"""Bases, hits and measurements as text, and hits as JSON."""

from typing import TYPE_CHECKING, Any

from app.cli.show import print_pairs, print_table, visible

if TYPE_CHECKING:
    from rag.searching import Found, FoundHit


def search_json(found: "Found") -> dict[str, Any]:
    """What `kb search --json` prints."""
    return {
        "kb": found.kb,
        "snapshot": found.snapshot,
        "query": found.query,
        "mode": found.settings.mode,
        "seconds": found.seconds,
        "hits": [_hit(one) for one in found.hits],
    }


def _hit(found: "FoundHit") -> dict[str, Any]:
    hit = found.hit
    return {
        "rank": hit.rank,
        "score": hit.score,
        "document": found.document,
        "document_id": found.document_id,
        "chunk_id": hit.chunk_id,
        "text": found.given,
        "start": found.start,
        "end": found.end,
        "page": found.page,
        "metadata": found.metadata,
        "title": found.title,
        "headings": list(found.headings),
        "chunk_text": found.text,
        "why": {
            "dense_rank": hit.dense_rank,
            "dense_score": hit.dense_score,
            "lexical_rank": hit.lexical_rank,
            "lexical_score": hit.lexical_score,
            "rerank_score": hit.rerank_score,
            "terms": list(hit.terms),
        },
    }


def print_hits(found: "Found") -> None:
    """A block a hit: where it stands, why it was found, its text."""
    milliseconds = found.seconds * 1000
    print(f"{found.kb} @ snapshot {found.snapshot}, {found.settings.mode}, {milliseconds:.0f} ms")
    if not found.hits:
        print("Nothing was found.")
    for one in found.hits:
        page = "" if one.page is None else f", page {one.page}"
        print(f"\n{one.hit.rank}. {visible(one.document)}{page}  {one.hit.score:.3f}  {_why(one)}")
        print(visible(one.text[:400], keep="\n"))


def _why(found: "FoundHit") -> str:
    hit = found.hit
    parts = [f"{name} {rank}" for name, rank in (("dense", hit.dense_rank),
             ("lexical", hit.lexical_rank)) if rank is not None]  # fmt: skip
    if hit.terms:
        parts.append("words: " + visible(", ".join(hit.terms)))
    return f"({'; '.join(parts)})"


def print_base(document: dict[str, Any]) -> None:
    """Settings as pairs, snapshots and ingests as tables."""
    print_pairs([
        ("base", document["name"]), ("documents", document["documents"]),
        ("chunks", document["chunks"]), ("snapshot", document["snapshot"]),
        ("embedder", _settings(document["embedder"])), ("chunker", _settings(document["chunker"])),
        ("cleaning", _settings(document["cleaning"])),
        ("retrieval", _settings(document["retrieval"]) or "as usual"),
    ])  # fmt: skip
    print()
    print_table(
        ("snapshot", "documents", "chunks", "made", "by", "message"),
        ((s["number"], s["documents"], s["chunks"], s["at"], s["author"], s["message"])
         for s in document["snapshots"]),
    )  # fmt: skip
    if document["ingests"]:
        print()
        print_table(
            ("ingest", "kind", "state", "documents", "unchanged", "failed", "seconds"),
            ((i["id"], i["kind"], i["status"], i["documents"], i["unchanged"], i["failed"],
              i["seconds"]) for i in document["ingests"]),
        )  # fmt: skip


def _settings(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())


def print_evaluation(document: dict[str, Any]) -> None:
    """A row a mode, then the differences."""
    names = ("ndcg@10", "recall@10", "recall@100", "mrr@10", "hit@1")
    print(
        f"{document['n_queries']} queries, {document['left_out']} without a relevant document "
        f"left out, {document['unknown_documents']} judged documents not in the base"
    )
    print_table(
        ("mode", *names, "95 % of ndcg@10", "p50 ms", "p95 ms"),
        ((mode, *(row[name] for name in names), _interval(row["ci95"]["ndcg@10"]),
          row["p50_ms"], row["p95_ms"]) for mode, row in document["modes"].items()),
    )  # fmt: skip
    for one in document["comparisons"]:
        if one["difference"] is None:
            continue
        print(
            f"{one['candidate']} against {one['baseline']}: ndcg@10 {one['difference']:+.3f} "
            f"({_interval(one['difference_ci95'])}), p = {one['p_value']:.3f}"
        )


def _interval(interval: Any) -> str:
    return "–" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
