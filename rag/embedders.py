"""Texts to vectors: packaged MiniLM, a sentence-transformers folder, or an API like OpenAI's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from core.errors import Unavailable
from rag.embed_process import EmbedProcess, Spec
from rag.embedder_settings import (
    EmbedderSettings,
    MiniLM,
    MiniLMFloat,
    OpenAI,
    SentenceTransformers,
    read_embedder,
)
from rag.model_files import ONNX_SHA256, check_folder, folder_hash, minilm_files
from rag.remote_embedder import RemoteEmbedder
from rag.scripts import SAMPLES, known_scripts, share_known

__all__ = ["Embedder", "OpenAI", "Reranker", "open_embedder", "open_reranker", "read_embedder"]
MINILM_LIMIT = 256
LONGEST_TEXT = 32_768
LEAST_TRUST = 0.001
Vectors = NDArray[np.float32]


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
        """From 0 to 1: how far the query is in scripts that the model can read."""
        ...

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


def open_embedder(settings: EmbedderSettings, *, local_allowed: bool = False) -> Embedder:
    """An embedder ready to be asked; its owner closes it.

    `local_allowed`: the server of an `openai` embedder stands on the allowlist of local addresses.
    Raises Unavailable when the model is not here.
    """
    match settings:
        case MiniLM():
            files = minilm_files()
            spec = {"kind": "onnx", "limit": MINILM_LIMIT, "model": str(files.onnx)}
            spec["tokenizer"] = str(files.tokenizer)
            mark = f"minilm-int8:{ONNX_SHA256[:16]}:mean:{MINILM_LIMIT}"
            return LocalEmbedder(mark, spec)
        case MiniLMFloat():
            return _folder("minilm-fp32", minilm_files().folder)
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


def _folder(kind: str, path: Path) -> "LocalEmbedder":
    check_folder(path)
    fingerprint = f"{kind}:{folder_hash(path)[:16]}"
    return LocalEmbedder(fingerprint, {"kind": "sentence_transformers", "path": str(path)})


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
        # Squared: a vector of a text that was read in part says less than that part.
        return max(share_known(query, self._scripts) ** 2, LEAST_TRUST)

    def close(self) -> None:
        self.process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Reranker:
    """A cross-encoder in a process of its own."""

    def __init__(self, path: Path) -> None:
        check_folder(path)
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
