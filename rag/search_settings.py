"""How a base is searched: read by manifests too, which need none of what ranks."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Weight = Annotated[float, Field(ge=0, le=10)]


class SearchSettings(BaseModel):
    """How a base is searched. Filters (`where`) are applied before ranking, in every mode."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["hybrid", "dense", "lexical"] = "hybrid"
    top_k: Annotated[int, Field(ge=1, le=200, description="How many chunks are given")] = 8
    min_score: Annotated[
        float | None,
        Field(
            description="Chunks below are left out: a cosine (dense), BM25 (lexical), a share of "
            "the best possible rank from 0 to 1 (hybrid) or the reranker's score from 0 to 1"
        ),
    ] = None
    where: Annotated[
        tuple[tuple[str, str], ...],
        Field(description="Metadata of a document as (key, value); all must hold"),
    ] = ()
    rerank: Annotated[bool, Field(description="Order the best with the cross-encoder")] = False
    rerank_depth: Annotated[int, Field(ge=1, le=200, description="How many it reads")] = 30
    dense_weight: Annotated[Weight, Field(description="Weight of the dense ranks (hybrid)")] = 1.5
    lexical_weight: Annotated[Weight, Field(description="Weight of the lexical ranks")] = 1.0
    depth: Annotated[
        int,
        Field(ge=1, le=1000, description="How many ranks of each list count in the fusion"),
    ] = 30
    rrf_k: Annotated[
        float, Field(ge=0, le=1000, description="RRF's k: the higher, the flatter the ranks")
    ] = 60.0
    one_per_parent: Annotated[
        bool, Field(description="Of the chunks of one parent, only the best is given")
    ] = True
