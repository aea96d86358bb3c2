"""How documents are cut: one frozen class a chunker, told apart by `kind`."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

ChunkTokens = Annotated[
    int, Field(ge=16, le=8192, description="The most tokens (o200k_base) that a chunk may have.")
]
Overlap = Annotated[
    int,
    Field(ge=0, le=4096, description="The most tokens that a chunk repeats of the one before it."),
]


class _Cut(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    chunk_tokens: ChunkTokens = 256
    overlap: Overlap = 32

    @model_validator(mode="after")
    def _check_overlap(self) -> Self:
        if self.overlap >= self.chunk_tokens:
            raise ValueError(
                f"overlap is {self.overlap} and chunk_tokens is {self.chunk_tokens}: "
                "give an overlap below chunk_tokens (an eighth of it serves well)"
            )
        return self


class Recursive(_Cut):
    """Cuts at the strongest seam in reach: paragraph, line, sentence, clause, word."""

    kind: Literal["recursive"] = "recursive"


class Markdown(_Cut):
    """Cuts at every heading; inside a section like `recursive`, code blocks and tables whole.

    Only prose inside one section overlaps: headings, code and tables are never repeated.
    """

    kind: Literal["markdown"] = "markdown"


class ParentChild(_Cut):
    """Small chunks are found, and the larger passage around them, the parent, is given."""

    kind: Literal["parent_child"] = "parent_child"
    parent_tokens: Annotated[
        int, Field(ge=32, le=32768, description="The most tokens that a parent may have.")
    ] = 1024

    @model_validator(mode="after")
    def _check_parent(self) -> Self:
        if self.parent_tokens <= self.chunk_tokens:
            raise ValueError(
                f"parent_tokens is {self.parent_tokens} and chunk_tokens is {self.chunk_tokens}: "
                "give parent_tokens above chunk_tokens (four times it serves well)"
            )
        return self


ChunkSettings = Annotated[Recursive | Markdown | ParentChild, Field(discriminator="kind")]
CHUNK_SETTINGS: TypeAdapter[Recursive | Markdown | ParentChild] = TypeAdapter(ChunkSettings)
