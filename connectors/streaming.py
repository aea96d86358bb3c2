"""The body of a streamed answer: read as it comes, within its limits, and left in time."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from connectors.answers import MAX_ANSWER, Garbage, TooLarge
from connectors.reading import MAX_ERROR, pieces

_LEAVING = 0.2
"""Seconds that the end of a body may take after `[DONE]`, for its connection to be used again."""


class Body:
    """Reads a response; `idle` is the longest silence in seconds, `deadline` a moment of the loop.

    One timer a stream watches both: a timer for each of its pieces costs as much as reading it.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, idle: float, deadline: float | None
    ) -> None:
        self._response = response
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._deadline = self._heard + idle if deadline is None else deadline
        self._late = False
        self._size = 0
        self._next: Callable[[], Awaitable[bytes]] = response.content.readany
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            unpacked = pieces(response, MAX_ANSWER)
            self._next = lambda: anext(unpacked, b"")
        self._timer = self._loop.call_at(self._due(), self._look)

    async def read(self) -> bytes:
        """What came since the last time, waiting for it; empty at the end.

        Raises TooLarge, Garbage, TimeoutError, and what aiohttp raises.
        """
        try:
            data = await self._next()
        except (aiohttp.ClientError, RuntimeError):
            if self._late:
                raise TimeoutError from None
            raise
        self._heard = self._loop.time()
        self._size += len(data)
        if self._size > MAX_ANSWER:
            raise TooLarge(f"more than {MAX_ANSWER >> 20} MiB")
        return data

    def hang_up(self) -> None:
        """Close the connection, so that the provider stops; harmless after the end."""
        self._timer.cancel()
        self._response.close()

    def leave(self) -> bool:
        """After the last word: whether nothing is left to read, so that all is done."""
        # llama.cpp closes after a stream without saying so.
        if self._response.headers.get("Server", "").startswith("llama.cpp"):
            self.hang_up()
            return True
        self._timer.cancel()
        return self._response.content.is_eof()

    async def drain(self) -> None:
        """Read the little that follows, or hang up."""
        most = self._size + MAX_ERROR
        try:
            async with asyncio.timeout(_LEAVING):
                while self._size < most and await self.read():
                    pass
        except (TimeoutError, TooLarge, Garbage, aiohttp.ClientError, RuntimeError):
            pass
        finally:
            # Nothing happens to a connection whose body was read to its end.
            self.hang_up()

    def _due(self) -> float:
        return min(self._heard + self._idle, self._deadline)

    def _look(self) -> None:
        if self._loop.time() >= self._due():
            self._late = True
            self._response.close()
        else:
            self._timer = self._loop.call_at(self._due(), self._look)
