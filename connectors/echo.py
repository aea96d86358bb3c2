"""The model `echo`: no server, no randomness; it says the last user message back.

One token is a word or a CJK character, so that expected figures can be counted by hand. Parameters,
tools and a schema are ignored.
"""

import re
import time
from collections.abc import Sequence

from connectors.wire import ChatAnswer, ChatRequest, Message, OnDelta, Usage, content_text

_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")
_PIECE = re.compile(r"\s*\S+\s*")


class EchoConnector:
    """Answers at once and always the same."""

    async def chat(self, request: ChatRequest, *, on_delta: OnDelta | None = None) -> ChatAnswer:
        """The text of the last user message; the empty text when there is none."""
        started = time.perf_counter()
        text = last_user_text(request.messages)
        if on_delta is not None:
            for piece in _PIECE.findall(text) or [text]:
                on_delta(piece)
        took = (time.perf_counter() - started) * 1000
        given = sum(
            count_words(content_text(message.get("content"))) for message in request.messages
        )
        return ChatAnswer(
            text=text,
            tool_calls=[],
            finish_reason="stop",
            usage=Usage(given, count_words(text)),
            ttft_ms=None if on_delta is None else took,
            latency_ms=took,
            model="echo",
        )


def last_user_text(messages: Sequence[Message]) -> str:
    """Text of the last message with the role user."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return content_text(message.get("content"))
    return ""


def count_words(text: str) -> int:
    """Tokens of `echo`: words, and each CJK character for itself."""
    return len(_TOKEN.findall(text))
