"""`promptstone kb add` and `reindex`: jobs that fill a base."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import state
from app.cli.kb_options import Chunker, Name, Reader, Wait
from app.cli.show import Json


class Form(StrEnum):
    """What the files are."""

    AUTO = "auto"
    BEIR = "beir"


def add(
    name: Name,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.")],
    form: Annotated[Form, typer.Option("--format", help="beir: corpus.jsonl.")] = Form.AUTO,
    meta: Annotated[
        list[str], typer.Option(metavar="KEY=VALUE", help="Metadata of these documents; repeat.")
    ] = [],  # noqa: B006
    parser: Annotated[
        Reader, typer.Option(help="docling, an extra, reads DOCX, PPTX and HTML.")
    ] = Reader.BUILTIN,
    wait: Wait = False,
    json: Json = False,
) -> None:
    """Add documents; unchanged ones are skipped, changed ones replaced, vanished ones listed."""
    from app.cli.kb_ingest import follow, handed_over, sources_of
    from rag.ingests import start_add
    from rag.parser_settings import check_parser, read_parser
    from rag.settings import read_meta

    metadata = read_meta(meta)
    reading = read_parser({"kind": parser.value})
    check_parser(reading)  # before files are handed over
    sources, gone = sources_of(name, paths, form.value)
    sources = handed_over(sources)
    with state.writing() as session:
        ingest = start_add(
            session, name, sources, form=form.value, meta=metadata, gone=gone, parser=reading
        )
    follow(ingest.id, wait, json)


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
