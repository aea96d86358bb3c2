"""An answer on its way through us, whoever gives it: events for a client, a sum for the trace."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Self

import orjson

from connectors.answers import Reply
from connectors.tokens import estimate_usage
from connectors.wire import ChatRequest, Target, Usage
from core.canonical import Json


@dataclass(frozen=True, slots=True)
class StreamAs:
    """What the client's chunks are called; `include_usage` when it asked for the chunk of usage."""

    id: str
    model: str
    include_usage: bool = False

    def chunk(self, delta: Mapping[str, object], finish_reason: str | None = None) -> bytes:
        """One event of our own."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return self._event({"choices": [choice]})

    def text_chunk(self, text: str) -> bytes:
        """One event with text; half a character, which JSON cannot hold, becomes a `?`."""
        try:
            return self.chunk({"content": text})
        except TypeError:
            return self.chunk({"content": text.encode("utf-8", "replace").decode()})

    def last_chunks(self, calls: Sequence[Mapping[str, Json]], finish_reason: str | None) -> bytes:
        """Tool calls, if there are any, and why the answer ended."""
        numbered = [{"index": at, **call} for at, call in enumerate(calls)]
        made = self.chunk({"tool_calls": numbered}) if numbered else b""
        return made + self.chunk({}, finish_reason or "stop")

    def usage_chunk(self, usage: Usage) -> bytes:
        """The last event of a stream whose client asked for usage."""
        counts: Json = {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
        }
        return self._event({"choices": [], "usage": counts})

    def _event(self, value: Mapping[str, object]) -> bytes:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": int(time.time())}
        return b"data: " + orjson.dumps({**head, "model": self.model, **value}) + b"\n\n"


class Upstream(ABC):
    """An answer whose first word has come; `async with` hangs up at the end, whatever happened.

    `first_at` is the moment of that word (perf_counter). `usage` is what the provider told, None
    until it does; `counted` estimates it otherwise. After an abort all of them tell what came.
    """

    def __init__(self, target: Target, request: ChatRequest, named: StreamAs) -> None:
        self._target, self._request, self._named = target, request, named
        self.first_at: float | None = None
        self.usage: Usage | None = None
        self.finish_reason: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.aclose()

    @abstractmethod
    def events(self) -> AsyncIterator[bytes]:
        """Whole events, several in one piece as they come; never `[DONE]`. Raises ChatError."""

    @abstractmethod
    async def aclose(self) -> None:
        """Hang up now; harmless after the end."""

    @abstractmethod
    def _read(self) -> Reply:
        """What was said so far."""

    @cached_property
    def reply(self) -> Reply:
        """What was said, tool calls and the provider's name of the model too; for after the end."""
        return self._read()

    @property
    def text(self) -> str:
        """The text that was said; for after the end."""
        return self.reply.text

    async def counted(self) -> Usage:
        """The provider's usage, else an estimate; call it when the client has its answer."""
        if self.usage is None:
            self.usage = await asyncio.to_thread(self._estimate)
        return self.usage

    def _estimate(self) -> Usage:
        return estimate_usage(self._request.messages, self.text, self._target.model_id)
