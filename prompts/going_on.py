"""Calls of pages that go on with mocked results of tools."""

from collections.abc import Sequence
from dataclasses import replace

from connectors.generate import GoesOn, Round
from connectors.wire import ChatAnswer, ChatRequest
from prompts.mocks import ROUNDS, ToolMock, carried_on, results


def going_on(mocks: Sequence[ToolMock]) -> GoesOn | None:
    """What is asked after an answer with tool calls, at most `ROUNDS` times; None without mocks."""

    def following(request: ChatRequest, answer: ChatAnswer) -> Round | None:
        done = sum("tool_calls" in message for message in request.messages)
        messages = carried_on(request.messages, answer.text, answer.tool_calls, mocks)
        if messages is None or done >= ROUNDS:
            return None
        told = results(mocks, answer.tool_calls) or []
        return Round(replace(request, messages=messages), told)

    return following if mocks else None
