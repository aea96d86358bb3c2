"""How near the meaning of an output is to that of a text, by an embedding model."""

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from core.errors import Invalid, Unavailable
from evalsets.evaluators.overlap import NO_TEXT, AgainstText
from evalsets.evaluators.subjects import Score, Subject, unscored
from rag.embedder_settings import read_embedder

if TYPE_CHECKING:
    from rag.embedders import Embedder

PACKAGED = ("minilm", "minilm-fp32")
LEAST_READ = 0.25
IDLE_SECONDS = 60.0
_REMEMBERED = 512


class Similarity(AgainstText):
    """Cosine of the embeddings of output and expected text, from -1 to 1: nearness in meaning."""

    kind: Literal["similarity"] = "similarity"
    embedder: str = Field(
        default="minilm",
        min_length=1,
        description="minilm (English), minilm-fp32, or a folder of a sentence-transformers model.",
    )

    @field_validator("embedder")
    @classmethod
    def _is_here(cls, embedder: str) -> str:
        _settings(embedder)
        return embedder

    def score(self, subject: Subject) -> Score:
        """Unscored without an expected text, or where the model does not read the script."""
        wanted = self.wanted(subject)
        if wanted is None:
            return unscored(NO_TEXT)
        if not subject.output.strip():
            return self.of(0.0, "the answer is empty")
        try:
            found = cosine(self.embedder, subject.output, wanted)
        except Unavailable as error:
            return unscored(error.message)
        if found is None:
            return unscored(
                f"{self.embedder} does not read this script; name a multilingual embedder"
            )
        return self.of(found, f"cosine {found:.3f} by {Path(self.embedder).name}")


def cosine(embedder: str, one: str, other: str) -> float | None:
    """From -1 to 1; None where the model can read too little of a text. Raises Unavailable."""
    with _kept(embedder) as model:
        if min(model.embedder.trust(one), model.embedder.trust(other)) < LEAST_READ:
            return None
        first, second = model.vector(one, keep=False), model.vector(other, keep=True)
    return max(-1.0, min(1.0, float(first @ second)))


def _settings(name: str) -> dict[str, str]:
    """An embedder by name; an API has no place here, as its calls would pass every budget."""
    if name in PACKAGED:
        return {"kind": name}
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f"{name[:80]!r} is no embedder: neither {' nor '.join(PACKAGED)}, nor a folder here; "
            "name one of them"
        )
    return {"kind": "sentence_transformers", "path": str(folder.resolve())}


class _Kept:
    """An open embedder that all evaluators of this process share while they need it."""

    def __init__(self, name: str) -> None:
        try:
            settings = read_embedder(_settings(name))
        except (ValueError, Invalid) as error:
            raise Unavailable(f"The embedder is gone: {error}. Choose another.") from None
        from rag.embedders import open_embedder  # numpy and aiohttp, which other kinds do without

        self.embedder: Embedder = open_embedder(settings)
        self._known: dict[str, Any] = {}
        self.users = 0
        self.used = time.monotonic()

    def vector(self, text: str, *, keep: bool) -> Any:
        """Shape (dimensions,); expected texts are kept, because every arm is compared with them."""
        found = self._known.get(text)
        if found is None:
            found = self.embedder.embed([text])[0]
            if keep:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[text] = found
        return found

    def __enter__(self) -> "_Kept":
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            self.users -= 1
            self.used = time.monotonic()


_lock = threading.Lock()
_open: dict[str, _Kept] = {}


def _kept(name: str) -> _Kept:
    """The shared embedder, opened where nobody has; it ends after a minute without use."""
    with _lock:
        found = _open.get(name)
        if found is None:
            found = _open[name] = _Kept(name)
            if len(_open) == 1:
                threading.Thread(target=_close_idle, name="similarity", daemon=True).start()
        found.users += 1
        return found


def _close_idle() -> None:
    while True:
        time.sleep(IDLE_SECONDS / 4)
        with _lock:
            late = time.monotonic() - IDLE_SECONDS
            for name in [n for n, one in _open.items() if not one.users and one.used < late]:
                _open.pop(name).embedder.close()
            if not _open:
                return
