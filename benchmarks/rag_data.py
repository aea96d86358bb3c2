"""Judged sets from a folder: BEIR folders, and the question file of Anthropic's cookbook."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JudgedSet:
    """Texts by document id, questions by id, relevance by question and document."""

    name: str
    documents: dict[str, str]
    queries: dict[str, str]
    qrels: dict[str, dict[str, float]]


def judged_sets(folder: Path) -> list[JudgedSet]:
    """Every set below `folder`, by name."""
    found = [_beir(corpus.parent, folder) for corpus in folder.rglob("corpus.jsonl")]
    found += [_cookbook(file.parents[1]) for file in folder.rglob("docs_evaluation_dataset.json")]
    return sorted(found, key=lambda one: one.name)


def _beir(place: Path, folder: Path) -> JudgedSet:
    documents = {
        row["_id"]: "\n".join(part for part in (row.get("title"), row["text"]) if part)
        for row in _rows(place / "corpus.jsonl")
    }
    queries = {row["_id"]: row["text"] for row in _rows(place / "queries.jsonl")}
    qrels: dict[str, dict[str, float]] = {}
    for file in sorted((place / "qrels").glob("*.tsv")):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                # Some files have a header line, some have TREC's second column.
                if row and row[-1].lstrip("-").isdigit() and row[0] in queries:
                    qrels.setdefault(row[0], {})[row[-2]] = float(row[-1])
    return JudgedSet(place.relative_to(folder).parts[0], documents, queries, _judged(qrels))


def _cookbook(place: Path) -> JudgedSet:
    chunks = json.loads(next((place / "data").glob("*.json")).read_bytes())
    asked = json.loads((place / "evaluation" / "docs_evaluation_dataset.json").read_bytes())
    return JudgedSet(
        place.name,
        {row["chunk_link"]: f"{row['chunk_heading']}\n{row['text']}" for row in chunks},
        {row["id"]: row["question"] for row in asked},
        _judged({row["id"]: dict.fromkeys(row["correct_chunks"], 1.0) for row in asked}),
    )


def _judged(qrels: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {query: gains for query, gains in qrels.items() if any(g > 0 for g in gains.values())}


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)
