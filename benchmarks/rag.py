"""How well and how fast knowledge bases are searched and filled, beside what people use else.

    python -m benchmarks.rag --data FOLDER [--only quality|ingest|query] [--rounds N]

FOLDER holds judged sets: BEIR folders, or the question file of Anthropic's cookbook. Ratios are
taken in one run, subjects in turn, figures are medians. The peers are in requirements/test.
"""

import argparse
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

from benchmarks.figures import header
from benchmarks.rag_data import judged_sets


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="Quality and speed of knowledge bases.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=["quality", "ingest", "query"])
    parser.add_argument("--rounds", type=int, help="of ingests (3) and of queries (100)")
    parser.add_argument("--documents", type=int, default=2000, help="of an ingest")
    options = parser.parse_args()
    sets = judged_sets(options.data)
    header("onnxruntime", "sentence-transformers", "chromadb", "langchain-chroma", "bm25s")
    if options.only in (None, "quality"):
        from benchmarks.rag_quality import measure_quality

        measure_quality(sets)
    if options.only in (None, "query"):
        from benchmarks.rag_query import measure_query

        measure_query(sets, options.rounds or 100)
    if options.only in (None, "ingest"):
        from benchmarks.rag_ingest import measure_ingest

        measure_ingest(sets, options.documents, options.rounds or 3)


if __name__ == "__main__":
    main()
