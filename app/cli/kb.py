"""`promptstone kb`: knowledge bases, their documents, searches and measurements."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import state
from app.cli.group import new_group
from app.cli.show import Json, print_json, print_table

if TYPE_CHECKING:
    from rag.searching import Found

commands = new_group("Knowledge bases: fill, search, measure, freeze.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The knowledge base.")]
Where = Annotated[
    list[str], typer.Option(metavar="KEY=VALUE", help="Only documents with this metadata; repeat.")
]
Snapshot = Annotated[int | None, typer.Option(min=0, help="An older state [the newest].")]
Wait = Annotated[bool, typer.Option("--wait", help="Until it has ended, working on it if need be.")]


class Chunker(StrEnum):
    """How documents are cut."""

    MARKDOWN = "markdown"
    RECURSIVE = "recursive"
    PARENT_CHILD = "parent_child"


class Mode(StrEnum):
    """How passages are found."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


class Form(StrEnum):
    """What the files are."""

    AUTO = "auto"
    BEIR = "beir"


@commands.callback()
def _group() -> None: ...


@commands.command()
def create(
    name: str,
    embedder: Annotated[
        str, typer.Option(help="minilm, minilm-fp32, a folder, or a model's name.")
    ] = "minilm",
    chunker: Annotated[Chunker, typer.Option(help="How documents are cut.")] = Chunker.MARKDOWN,
    chunk_tokens: Annotated[int, typer.Option(help="The most tokens of a chunk.")] = 256,
    overlap: Annotated[int, typer.Option(help="Tokens that neighbours share.")] = 32,
    parent_tokens: Annotated[
        int | None, typer.Option(help="Of parent_child: the most tokens of a parent [1024].")
    ] = None,
    no_clean: Annotated[list[str], typer.Option(help="A cleaning step to leave out; repeat.")] = [],  # noqa: B006
    mask_pii: Annotated[
        bool, typer.Option("--mask-pii", help="Mask e-mail addresses, numbers and the like.")
    ] = False,
    near_duplicates: Annotated[
        bool, typer.Option("--near-duplicates", help="Disable chunks that repeat earlier ones.")
    ] = False,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    json: Json = False,
) -> None:
    """Make an empty base; it remembers its embedder and refuses another."""
    from rag import service
    from rag.opening import identify
    from rag.settings import chunk_settings, cleaning_settings

    chunking = chunk_settings(chunker.value, chunk_tokens, overlap, parent_tokens)
    cleaning = cleaning_settings(no_clean, mask_pii, near_duplicates=near_duplicates)
    identity = identify(state.database(), embedder)
    with state.writing() as session:
        base = service.create(session, name, identity, chunking, cleaning, description=description)
        document = {"name": base.name, "id": base.id, "snapshot": base.snapshot}
    if json:
        print_json({**document, "embedder": identity.settings, "chunker": chunking})
    else:
        print(base.name)


@commands.command()
def add(
    name: Name,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.")],
    form: Annotated[Form, typer.Option("--format", help="beir: corpus.jsonl.")] = Form.AUTO,
    meta: Annotated[
        list[str], typer.Option(metavar="KEY=VALUE", help="Metadata of these documents; repeat.")
    ] = [],  # noqa: B006
    wait: Wait = False,
    json: Json = False,
) -> None:
    """Add documents; unchanged ones are skipped, changed ones replaced, vanished ones listed."""
    from app.cli.kb_ingest import follow, sources_of
    from rag.ingests import start_add
    from rag.settings import read_meta

    metadata = read_meta(meta)
    sources, gone = sources_of(name, paths, form.value)
    with state.writing() as session:
        ingest = start_add(session, name, sources, form=form.value, meta=metadata, gone=gone)
    follow(ingest.id, wait, json)


@commands.command()
def reindex(
    name: Name,
    embedder: Annotated[str | None, typer.Option(help="Another embedder.")] = None,
    chunker: Annotated[Chunker | None, typer.Option(help="Another way to cut.")] = None,
    chunk_tokens: Annotated[int | None, typer.Option(help="The most tokens of a chunk.")] = None,
    overlap: Annotated[int | None, typer.Option(help="Tokens that neighbours share.")] = None,
    wait: Wait = False,
    json: Json = False,
) -> None:
    """Cut and embed all documents anew beside the old index, then switch at once."""
    from app.cli.kb_ingest import follow
    from rag.ingests import start_reindex
    from rag.opening import identify
    from rag.service import get
    from rag.settings import changed_chunks

    with state.reading() as session:
        base = get(session, name)
    changes: dict[str, Any] = {}
    if chunker or chunk_tokens is not None or overlap is not None:
        kind = chunker.value if chunker else None
        changes["chunker"] = changed_chunks(base.chunker, kind, chunk_tokens, overlap)
    if embedder is not None:
        identity = identify(state.database(), embedder)
        changes |= {"embedder": identity.settings, "fingerprint": identity.fingerprint}
    with state.writing() as session:
        ingest = start_reindex(session, name, changes)
    follow(ingest.id, wait, json)


@commands.command("list")
def list_all(
    search: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    json: Json = False,
) -> None:
    """All knowledge bases by name."""
    from rag.service import list_bases

    with state.reading() as session:
        found = list_bases(session, search=search)
    if json:
        print_json({"kbs": [row._asdict() for row in found]})
        return
    print_table(
        ("base", "documents", "chunks", "snapshot", "embedder", "chunker", "changed", "by"),
        (
            (r.name, r.documents, r.chunks, r.snapshot, r.embedder, r.chunker, r.updated_at,
             r.author)
            for r in found
        ),
    )  # fmt: skip


@commands.command()
def show(name: Name, json: Json = False) -> None:
    """Settings, figures, snapshots and the last ingests."""
    from app.cli.kb_text import print_base
    from rag.report import base_json

    with state.reading() as session:
        document = base_json(session, name)
    if json:
        print_json(document)
    else:
        print_base(document)


@commands.command()
def documents(
    name: Name,
    search: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    snapshot: Snapshot = None,
    json: Json = False,
) -> None:
    """The documents of a base."""
    from rag.documents import iter_documents

    with state.reading() as session:
        rows = list(iter_documents(session, name, search=search, snapshot=snapshot))
    if json:
        print_json({"documents": [row._asdict() for row in rows]})
        return
    print_table(
        ("document", "kind", "chunks", "characters", "added", "metadata"),
        ((r.name, r.media, r.chunks, r.characters, r.added_at, _meta(r.metadata)) for r in rows),
    )


def _meta(metadata: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in metadata.items())


@commands.command()
def remove(
    name: Name,
    document: Annotated[str, typer.Argument(help="Its name or its id.")],
    json: Json = False,
) -> None:
    """Take a document out of every snapshot, with its text and its vectors."""
    from rag.documents import forget

    removed = forget(state.database(), state.actor(), name, document)
    if json:
        print_json(removed._asdict())
    else:
        print(f"{removed.document} removed ({removed.chunks} chunks)")


@commands.command()
def snapshot(
    name: Name,
    message: Annotated[str | None, typer.Option(help="Name the newest state.")] = None,
    diff: Annotated[
        tuple[int, int] | None, typer.Option(help="What changed between two snapshots.")
    ] = None,
    drop_before: Annotated[
        int | None, typer.Option(help="Remove the snapshots older than this one.")
    ] = None,
    json: Json = False,
) -> None:
    """The snapshots of a base; every change has made one."""
    from app.cli.kb_snapshots import show_snapshots

    show_snapshots(name, message, diff, drop_before, json)


@commands.command()
def access(
    name: Name,
    subject: Annotated[
        str | None, typer.Argument(help="user:NAME or key:ID; without it, the rules are shown.")
    ] = None,
    where: Where = [],  # noqa: B006
    forget: Annotated[bool, typer.Option("--forget", help="Take the rule away.")] = False,
    restricted: Annotated[
        bool | None,
        typer.Option("--restricted/--open", help="Whether only those with a rule may search."),
    ] = None,
    json: Json = False,
) -> None:
    """Who may find which documents: filters on metadata, bound to a person or a key."""
    from app.cli.kb_access import change, show_rules

    change(name, subject, where, forget, restricted)
    show_rules(name, json)


@commands.command()
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


@commands.command("eval")
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
