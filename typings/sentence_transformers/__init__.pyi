# What we use of sentence-transformers; with transformers behind it, its own sources take a type
# checker a third of its time.
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

class _Tokenizer(Protocol):
    def tokenize(self, text: str) -> list[str]: ...

class SentenceTransformer:
    tokenizer: _Tokenizer
    def __init__(
        self,
        model_name_or_path: str,
        *,
        trust_remote_code: bool = ...,
        local_files_only: bool = ...,
        model_kwargs: Mapping[str, Any] | None = ...,
    ) -> None: ...
    def encode_query(
        self,
        inputs: Sequence[str],
        *,
        batch_size: int = ...,
        normalize_embeddings: bool = ...,
        show_progress_bar: bool | None = ...,
    ) -> NDArray[np.float32]: ...
    def encode_document(
        self,
        inputs: Sequence[str],
        *,
        batch_size: int = ...,
        normalize_embeddings: bool = ...,
        show_progress_bar: bool | None = ...,
    ) -> NDArray[np.float32]: ...

class CrossEncoder:
    def __init__(
        self,
        model_name_or_path: str,
        *,
        trust_remote_code: bool = ...,
        local_files_only: bool = ...,
        num_labels: int | None = ...,
        model_kwargs: Mapping[str, Any] | None = ...,
    ) -> None: ...
    def predict(
        self,
        inputs: Sequence[tuple[str, str]],
        *,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        activation_fn: nn.Module | None = ...,
    ) -> NDArray[np.float32]: ...
