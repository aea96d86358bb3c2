"""`promptstone kb`: knowledge bases, their documents, searches and measurements."""

from typing import Annotated, Any

import typer

from app.cli import state
from app.cli.group import new_group
from app.cli.kb_fill import add, reindex
from app.cli.kb_find import evaluate, search
from app.cli.kb_options import Chunker, Name, Snapshot, Where
from app.cli.show import Json, print_json, print_table

commands = new_group("Knowledge bases: fill, search, measure, freeze.")


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


commands.command()(add)
commands.command()(reindex)
commands.command()(search)
commands.command("eval")(evaluate)
