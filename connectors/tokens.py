"""Token counts offline: tiktoken with the tables that the package bpe-openai carries.

Counting is CPU work (about 1 MB/s of text): callers on an event loop hand it to a thread.
"""

import gzip
import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.wire import Message, Usage, content_text

if TYPE_CHECKING:
    import tiktoken

_TABLES = {
    name: f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    for name in ("o200k_base", "cl100k_base")
}
_PER_MESSAGE = 3
_WINDOW = 8192
_PER_ANSWER = 3


@dataclass(frozen=True, slots=True)
class TokenCount:
    """`estimated` when the model's own tokenizer is not known here."""

    n: int
    estimated: bool


def count_text(text: str, model_id: str = "") -> TokenCount:
    """Tokens of a text as the model's tokenizer cuts it, else as o200k_base does."""
    name, known = _encoding_name(model_id)
    return TokenCount(_count(_encoding(name), text), not known)


def count_messages(messages: Sequence[Message], model_id: str = "") -> TokenCount:
    """Input tokens of a chat: contents and roles plus the frame that OpenAI documents.

    3 tokens a message and 3 to prime the answer (OpenAI cookbook, "How to count tokens").
    """
    name, known = _encoding_name(model_id)
    encoding = _encoding(name)
    total = _PER_ANSWER
    for message in messages:
        total += _PER_MESSAGE + _count(encoding, str(message.get("role") or ""))
        total += _count(encoding, content_text(message.get("content")))
    return TokenCount(total, not known)


def estimate_usage(messages: Sequence[Message], text: str, model_id: str) -> Usage:
    """Usage for an answer whose provider told none."""
    given, made = count_messages(messages, model_id), count_text(text, model_id)
    return Usage(given.n, made.n, estimated=True)


def _count(encoding: "tiktoken.Encoding", text: str) -> int:
    """Of a long text the sum over windows: tiktoken panics on a million blanks in a row.

    A token begins with a blank and never ends with one: a cut before a blank changes no count.
    """
    total = at = 0
    while at < len(text):
        end = at + _WINDOW
        if end < len(text):
            blank = text.rfind(" ", at + _WINDOW // 2, end)
            end = blank if blank > 0 else end
        # A value may spell <|endoftext|>: it is ordinary text, never a control token.
        total += len(encoding.encode_ordinary(text[at:end]))
        at = end
    return total


@lru_cache(maxsize=1024)
def _encoding_name(model_id: str) -> tuple[str, bool]:
    import tiktoken

    try:
        name = tiktoken.encoding_name_for_model(model_id)
    except KeyError:
        return "o200k_base", False
    return (name, True) if name in _TABLES else ("o200k_base", False)


@lru_cache(maxsize=len(_TABLES))
def _encoding(name: str) -> "tiktoken.Encoding":
    import tiktoken

    os.environ["TIKTOKEN_CACHE_DIR"] = str(table_folder())
    return tiktoken.get_encoding(name)


@lru_cache(maxsize=1)
def table_folder() -> Path:
    """The folder with tiktoken's tables, written once; a temporary one where that is not ours."""
    folder = Path(sys.prefix) / "share" / "promptstone" / "tiktoken"
    try:
        _write_tables(folder)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="promptstone-tiktoken-"))
        _write_tables(folder)
    return folder


def _write_tables(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Found without being imported: only its data is wanted.
    spec = find_spec("bpe_openai")
    assert spec is not None
    assert spec.origin is not None
    for name, url in _TABLES.items():
        place = folder / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
        if os.access(place, os.R_OK):
            continue
        packed = Path(spec.origin).parent.joinpath("data", f"{name}.tiktoken.gz").read_bytes()
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
            part.write(gzip.decompress(packed))
        # Made by whoever sets up, read by whoever serves.
        Path(part.name).chmod(0o644)
        Path(part.name).replace(place)
