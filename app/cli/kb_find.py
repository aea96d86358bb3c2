"""`promptstone kb search` and `eval`: passages, and how well they are found."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.kb_options import Mode, Name, Snapshot, Where
from app.cli.show import Json, print_json

if TYPE_CHECKING:
    from rag.searching import Found


def search(
    name: Name,
    query: str,
    mode: Annotated[Mode | None, typer.Option(help="[hybrid]")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, max=200, help="How many [8].")] = None,
    min_score: Annotated[float | None, typer.Option(help="Leave out what is below.")] = None,
    where: Where = [],  # noqa: B006
    rerank: Annotated[
        bool | None, typer.Option("--rerank/--no-rerank", help="Order by the cross-encoder.")
    ] = None,
    snapshot: Snapshot = None,
    as_subject: Annotated[
        str | None, typer.Option("--subject", help="As user:NAME or key:ID would find.")
    ] = None,
    json: Json = False,
) -> None:
    """The passages that answer a query best, and why."""
    from app.cli.kb_text import print_hits, search_json
    from rag.searching import Searcher
    from rag.settings import search_settings

    with state.reading() as session:
        settings = search_settings(
            session, name, mode=mode and mode.value, top_k=top_k, min_score=min_score,
            where=where, rerank=rerank,
        )  # fmt: skip
    searcher = Searcher(state.database())
    try:
        found: Found = searcher.search(name, query, settings, snapshot=snapshot, subject=as_subject)
    finally:
        searcher.close()
    if json:
        print_json(search_json(found))
    else:
        print_hits(found)


def evaluate(
    name: Name,
    queries: Annotated[Path, typer.Option(help="Lines of {_id, text}.")],
    qrels: Annotated[Path, typer.Option(help="Lines of query, document, relevance.")],
    mode: Annotated[list[Mode], typer.Option(help="Repeat for several [all three].")] = [],  # noqa: B006
    snapshot: Snapshot = None,
    json: Json = False,
) -> None:
    """nDCG@10, recall, MRR and hit rate on judged queries, per mode."""
    from app.cli.kb_text import print_evaluation
    from evalsets.retrieval import evaluate_files
    from rag.searching import Searcher

    searcher = Searcher(state.database())
    modes = [one.value for one in mode] or [one.value for one in Mode]
    try:
        document = evaluate_files(
            state.database(), searcher, name, queries, qrels, modes, snapshot=snapshot
        )
    finally:
        searcher.close()
    if json:
        print_json(document)
    else:
        print_evaluation(document)
