"""Answers with tool calls: the next round of a cell's conversation, with mocked results."""

from collections.abc import Sequence
from dataclasses import replace

from evalsets.runs.feed import KnownAnswer
from evalsets.runs.lanes import Work
from evalsets.runs.manifest import Manifest
from evalsets.runs.prepare import request_key
from prompts.mocks import ROUNDS, carried_on


def next_round(manifest: Manifest, work: Work, known: KnownAnswer) -> Work | None:
    """The call that goes on from an answer; None where the answer is the cell's own.

    The arm's prompt mocks every tool that was called, and there were not `ROUNDS` rounds yet.
    """
    prompt = None if work.judge is not None else manifest.arms[work.arm].prompt
    if prompt is None or not known.tool_calls or work.round >= ROUNDS:
        return None
    messages = carried_on(
        work.request.messages, known.output, known.tool_calls, prompt.content.mocks
    )
    if messages is None:
        return None
    request = replace(work.request, messages=messages)
    repeat = work.cell % manifest.repeats + 1
    return replace(
        work, request=request, key=request_key(work.lane.model, request, repeat),
        attempts=work.attempts + work.tries, tries=0, tokens=0, before=known,
        round=work.round + 1,
    )  # fmt: skip


def split(
    manifest: Manifest, reused: Sequence[tuple[Work, KnownAnswer]]
) -> tuple[list[tuple[Work, KnownAnswer]], list[Work]]:
    """Cells that an answer ends, and the calls that go on from one."""
    ends: list[tuple[Work, KnownAnswer]] = []
    more: list[Work] = []
    for work, known in reused:
        following = next_round(manifest, work, known)
        if following is None:
            ends.append((work, known))
        else:
            more.append(following)
    return ends, more
