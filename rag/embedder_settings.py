"""Which embedder makes a base's vectors, as a base keeps it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.errors import Invalid


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MiniLM(_Settings):
    """all-MiniLM-L6-v2 in int8, packaged: English, 384 dimensions, the first 256 tokens."""

    kind: Literal["minilm"] = "minilm"


class MiniLMFloat(_Settings):
    """The same model in float32 by sentence-transformers: slower, no better."""

    kind: Literal["minilm-fp32"] = "minilm-fp32"


class SentenceTransformers(_Settings):
    """A folder of this machine that holds a sentence-transformers model in safetensors."""

    kind: Literal["sentence_transformers"] = "sentence_transformers"
    path: str = Field(min_length=1, description="The model's folder")


class OpenAI(_Settings):
    """A server with OpenAI's /v1/embeddings."""

    kind: Literal["openai"] = "openai"
    base_url: str = Field(description="Ends before /embeddings, such as https://HOST/v1")
    model: str = Field(min_length=1, description="The server's name of the model")
    api_key_env: str | None = Field(None, description="The variable that holds the key")
    dimensions: int | None = Field(None, ge=1, le=16384, description="Asked for, where it can be")


EmbedderSettings = Annotated[
    MiniLM | MiniLMFloat | SentenceTransformers | OpenAI, Field(discriminator="kind")
]
EMBEDDER_SETTINGS: TypeAdapter[EmbedderSettings] = TypeAdapter(EmbedderSettings)


def read_embedder(values: Mapping[str, Any]) -> EmbedderSettings:
    """Settings as a base keeps them; raises Invalid."""
    try:
        return EMBEDDER_SETTINGS.validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or "kind"
        raise Invalid(
            f"The embedder's settings are wrong at {place}: {first['msg']}. Choose minilm, "
            "minilm-fp32, sentence_transformers with a path or openai with a base_url and a model.",
            param="embedder",
        ) from error
