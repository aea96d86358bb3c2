"""What commands about knowledge bases share: their options."""

from enum import StrEnum
from typing import Annotated

import typer

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


class Reader(StrEnum):
    """What reads documents."""

    BUILTIN = "builtin"
    DOCLING = "docling"


class Mode(StrEnum):
    """How passages are found."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"
