"""BEIR's files: a corpus, queries and judged documents (Thakur et al. 2021, arXiv:2104.08663)."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from core.errors import Invalid

_MOST_LINE = 32 << 20


class Record(NamedTuple):
    """A line of a corpus; `line` as it stands in the file."""

    id: str
    title: str
    text: str
    meta: dict[str, Any]
    line: bytes


def corpus_file(path: Path) -> Path:
    """The corpus a person means by a file or by the folder of a BEIR set."""
    found = path / "corpus.jsonl" if path.is_dir() else path
    if not found.is_file():
        raise Invalid(f"There is no corpus.jsonl in {str(path)!r}. Name the file itself.")
    return found


def read_corpus(path: Path) -> Iterator[Record]:
    """Documents `{_id, title, text, metadata}`; raises Invalid naming the line."""
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file, path), 1):
            if not line.strip():
                continue
            row = _object(line, path, number)
            name, text = row.get("_id"), row.get("text")
            if not isinstance(name, (str, int)) or not isinstance(text, str) or name == "":
                raise Invalid(
                    f"{path.name}, line {number}: a document needs `_id` and `text`. "
                    "Correct the line, or add the file without --format beir."
                )
            meta = row.get("metadata")
            title = row.get("title")
            yield Record(
                str(name),
                title if isinstance(title, str) else "",
                text,
                meta if isinstance(meta, dict) else {},
                line,
            )


def read_queries(path: Path) -> dict[str, str]:
    """Query texts by id, from lines `{_id, text}`; raises Invalid naming the line."""
    queries: dict[str, str] = {}
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file, path), 1):
            if not line.strip():
                continue
            row = _object(line, path, number)
            name, text = row.get("_id", row.get("id")), row.get("text", row.get("query"))
            if name is None or not isinstance(text, str):
                raise Invalid(
                    f"{path.name}, line {number}: a query needs `_id` and `text`. Correct the line."
                )
            queries[str(name)] = text
    if not queries:
        raise Invalid(f"{path.name} holds no query. Give lines of {{_id, text}}.")
    return queries


def read_qrels(path: Path) -> dict[str, dict[str, float]]:
    """Relevance by query and document, from BEIR's three columns or TREC's four.

    A header line is known by its last column, which is then no number. Raises Invalid.
    """
    qrels: dict[str, dict[str, float]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for number, line in enumerate(file, 1):
                parts = next(csv.reader([line], delimiter="\t")) if "\t" in line else line.split()
                if not parts:
                    continue
                query, document, gain = _judgement(parts, path, number)
                if gain is not None:
                    qrels.setdefault(query, {})[document] = gain
        except UnicodeDecodeError as error:
            raise Invalid(f"{path.name} is no UTF-8 text. Save it as UTF-8.") from error
    if not qrels:
        raise Invalid(f"{path.name} judges no document. Give lines of query, document, relevance.")
    return qrels


def _judgement(parts: list[str], path: Path, number: int) -> tuple[str, str, float | None]:
    if len(parts) not in (3, 4):
        raise Invalid(
            f"{path.name}, line {number}: {len(parts)} columns where query, document and "
            "relevance are needed. Separate them by tabs."
        )
    query, document, gain = parts[0], parts[-2], parts[-1]
    try:
        return query, document, float(gain)
    except ValueError:
        if number == 1:
            return query, document, None
        raise Invalid(
            f"{path.name}, line {number}: the relevance {gain[:40]!r} is no number. Correct it."
        ) from None


def _lines(file: Any, path: Path) -> Iterator[bytes]:
    while line := file.readline(_MOST_LINE):
        if len(line) == _MOST_LINE:
            raise Invalid(f"{path.name} has a line of more than 32 MB. Split the document.")
        yield line


def _object(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise Invalid(f"{path.name}, line {number} is no JSON: {error}. Correct it.") from error
    if not isinstance(row, dict):
        raise Invalid(f"{path.name}, line {number} is no JSON object. Give {{_id, text}}.")
    return row
