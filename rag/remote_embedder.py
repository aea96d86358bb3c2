"""An embedder behind OpenAI's /v1/embeddings, asked from threads through a loop of its own."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Coroutine, Sequence
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from connectors.address import parse_address
from connectors.embeddings import EmbeddingsClient
from connectors.wire import ChatError, Target
from core.errors import Unavailable

BATCH = 32
AT_ONCE = 4
TRIES = 4
LONGEST_TEXT = 32_768
_FIRST_PAUSE = 0.5
Result = TypeVar("Result")


class RemoteEmbedder:
    """Vectors of a server's model, in batches, a few at once, retried where that can help."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str | None = None,
        wanted: int | None = None,
        local_allowed: bool = False,
    ) -> None:
        """Raises RefusedAddress for an address that no call may go to, Unavailable without key."""
        url = parse_address(base_url).url
        self._target = Target(
            model, "openai", model, base_url=url, api_key=_key(api_key_env),
            local_allowed=local_allowed,
        )  # fmt: skip
        self._wanted = wanted
        named = hashlib.sha256(f"{url}\0{model}\0{wanted}".encode()).hexdigest()
        self.fingerprint = f"openai:{named[:16]}"
        self._dimensions: int | None = wanted
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._bulk = asyncio.Semaphore(AT_ONCE)
        self._client = EmbeddingsClient()
        self._run(self._client.__aenter__())

    @property
    def dimensions(self) -> int:
        """Asks the server once when the settings do not say. Raises Unavailable."""
        if self._dimensions is None:
            return len(self.embed_query("dimensions"))
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, dimensions), each of length 1. Raises Unavailable."""
        if not texts:
            return np.zeros((0, self.dimensions), np.float32)
        return self._unit(self._run(self._all(texts)))

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Shape (dimensions,), of length 1; never waits for `embed`. Raises Unavailable."""
        return self._unit(self._run(self._batch([text])))[0]

    def trust(self, query: str) -> float:
        """A server's model is taken to read every script."""
        return 1.0

    def close(self) -> None:
        """End the loop and its connections."""
        if self._thread.is_alive():
            self._run(self._client.__aexit__())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[object, object, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _all(self, texts: Sequence[str]) -> list[list[float]]:
        parts = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        done = await asyncio.gather(*(self._in_turn(part) for part in parts))
        return [vector for part in done for vector in part]

    async def _in_turn(self, texts: Sequence[str]) -> list[list[float]]:
        async with self._bulk:
            return await self._batch(texts)

    async def _batch(self, texts: Sequence[str]) -> list[list[float]]:
        # An empty text is refused by most servers.
        sent = [text[:LONGEST_TEXT].strip() or "." for text in texts]
        pause = _FIRST_PAUSE
        for left in reversed(range(TRIES)):
            try:
                return await self._client.embed(self._target, sent, dimensions=self._wanted)
            except ChatError as error:
                if not left or not error.failure.retryable:
                    raise
                await asyncio.sleep(error.failure.retry_after or pause)
                pause *= 2
        raise AssertionError("every try either answers or raises")

    def _unit(self, vectors: list[list[float]]) -> NDArray[np.float32]:
        found = np.asarray(vectors, np.float64)
        if self._dimensions is None:
            self._dimensions = found.shape[1]
        if self._dimensions != found.shape[1]:
            raise Unavailable(
                f"The model {self._target.name} gave {found.shape[1]} numbers a text instead of "
                f"{self._dimensions}. Make a new base, or put the old model back."
            )
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def _key(variable: str | None) -> str | None:
    if not variable:
        return None
    value = os.environ.get(variable, "").strip()
    if not value:
        raise Unavailable(
            f"The key of the embedder is read from {variable}, which is not set. Set it, or name "
            "another variable."
        )
    return value
