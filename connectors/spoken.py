"""Connectors that give text piece by piece, as a stream of events like any provider's."""

import asyncio
import time
from collections.abc import AsyncIterator

from connectors.answers import MAX_ANSWER, Reply
from connectors.failures import describe
from connectors.upstream import StreamAs, Upstream
from connectors.wire import ChatAnswer, ChatError, ChatRequest, Connector, Target


async def speak(
    connector: Connector, target: Target, request: ChatRequest, named: StreamAs
) -> Upstream:
    """Ask, and wait for the first word. Raises ChatError."""
    spoken = Spoken(connector, target, request, named)
    try:
        await spoken.begin()
    except BaseException:
        await spoken.aclose()
        raise
    return spoken


class Spoken(Upstream):
    """A call that runs beside its reader."""

    def __init__(
        self, connector: Connector, target: Target, request: ChatRequest, named: StreamAs
    ) -> None:
        super().__init__(target, request, named)
        self._waiting: list[str] = []
        self._said: list[str] = []
        self._size = 0
        self._news = asyncio.Event()
        self._task = asyncio.create_task(connector.chat(request, on_delta=self._hear))
        self._task.add_done_callback(lambda _: self._news.set())

    async def begin(self) -> None:
        """Wait for the first word, or for the end of an answer without text."""
        await self._news.wait()
        if self._waiting:
            self.first_at = time.perf_counter()
        else:
            self._take(self._task.result())

    async def events(self) -> AsyncIterator[bytes]:
        named = self._named
        first = named.chunk({"role": "assistant", "content": ""})
        try:
            while not self._task.done() or self._waiting:
                await self._news.wait()
                self._news.clear()
                texts, self._waiting = self._waiting, []
                if made := b"".join(map(named.text_chunk, texts)):
                    yield first + made
                    first = b""
                if self._size > MAX_ANSWER:
                    raise ChatError(describe("too_large", self._target))
            answer = self._task.result()
            self._take(answer)
            yield first + named.last_chunks(answer.tool_calls, answer.finish_reason)
            if named.include_usage:
                yield named.usage_chunk(await self.counted())
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        if self._task.cancel():
            await asyncio.wait([self._task], timeout=2)
        if self._task.done() and not self._task.cancelled():
            # Looked at, so that a failure nobody waits for is not logged as an accident.
            self._task.exception()

    def _read(self) -> Reply:
        text = "".join(self._said)
        reply = Reply(text, finish_reason=self.finish_reason, usage=self.usage)
        if self._task.done() and not self._task.cancelled() and not self._task.exception():
            answer = self._task.result()
            reply.tool_calls, reply.model = [dict(call) for call in answer.tool_calls], answer.model
        return reply

    def _hear(self, text: str) -> None:
        self._waiting.append(text)
        self._said.append(text)
        self._size += len(text)
        self._news.set()

    def _take(self, answer: ChatAnswer) -> None:
        self.usage, self.finish_reason = answer.usage, answer.finish_reason
