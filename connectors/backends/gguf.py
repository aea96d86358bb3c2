"""Reads the head of a GGUF file: its facts, bounds checked, nothing of its tensors.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from core.errors import Invalid

MAGIC = b"GGUF"
MOST_FACTS = 10_000
MOST_TEXT = 16 << 20
MOST_ITEMS = 1 << 22
Fact = str | int | float | bool | None
Facts = Mapping[str, Fact]
_PLAIN = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_CONFIG = {
    "num_hidden_layers": "block_count",
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "max_position_embeddings": "context_length",
    "vocab_size": "vocab_size",
}
"""What a `config.json` calls the facts that an estimate needs."""


def read_facts(path: Path) -> Facts:
    """The facts of a GGUF file by key; arrays are None. Raises Invalid."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise _broken(path, "it does not begin like one")
        try:
            return _facts(file, size)
        except (struct.error, UnicodeDecodeError, ValueError) as error:
            raise _broken(path, str(error)[:100]) from None


def as_config(facts: Facts) -> dict[str, object]:
    """The facts under the names of a `config.json`."""
    kind = facts.get("general.architecture")
    found: dict[str, object] = {"model_type": kind}
    for name, key in _CONFIG.items():
        value = facts.get(f"{kind}.{key}")
        if value is not None:
            found[name] = value
    return found


def chat_template(facts: Facts) -> str | None:
    """The chat template inside, if there is one."""
    found = facts.get("tokenizer.chat_template")
    return found if isinstance(found, str) else None


def _facts(file: IO[bytes], size: int) -> dict[str, Fact]:
    version, tensors, count = _unpack(file, "<IQQ")
    if version not in (2, 3):
        raise ValueError(f"version {version} is not known")
    if count > MOST_FACTS or tensors > size:
        raise ValueError("its counts are out of bounds")
    found: dict[str, Fact] = {}
    for _ in range(count):
        key = _text(file, size)
        found[key] = _value(file, _unpack(file, "<I")[0], size, 0)
    return found


def _value(file: IO[bytes], kind: int, size: int, depth: int) -> Fact:
    if kind in _PLAIN:
        return _unpack(file, "<" + _PLAIN[kind])[0]
    if kind == _TEXT:
        return _text(file, size)
    if kind != _ARRAY or depth > 3:
        raise ValueError(f"a value of type {kind} is not known")
    inner, count = _unpack(file, "<IQ")
    if count > MOST_ITEMS:
        raise ValueError("an array is out of bounds")
    if inner in _PLAIN:
        _skip(file, count * struct.calcsize("<" + _PLAIN[inner]), size)
    else:
        for _ in range(count):
            _value(file, inner, size, depth + 1)
    return None


def _text(file: IO[bytes], size: int) -> str:
    length = _unpack(file, "<Q")[0]
    if length > min(MOST_TEXT, size - file.tell()):
        raise ValueError("a text is out of bounds")
    # Tokens are bytes as often as they are text; only templates are read on.
    return file.read(length).decode("utf-8", "surrogateescape")


def _skip(file: IO[bytes], length: int, size: int) -> None:
    if file.tell() + length > size:
        raise ValueError("an array is out of bounds")
    file.seek(length, 1)


def _unpack(file: IO[bytes], form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _broken(path: Path, why: str) -> Invalid:
    return Invalid(f"{path.name} is no whole GGUF file: {why}. Fetch it again.", param="source")
