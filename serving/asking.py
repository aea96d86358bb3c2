"""Models of a release asked in their order, and what is done with an answer before it is given."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from connectors.connections import Connections
from connectors.upstream import Upstream
from connectors.wire import ChatAnswer, ChatError, ChatRequest, Message, failure
from core.errors import Unavailable
from serving.calls import Call, upstream_error
from serving.guarding import apply, holds_back, schema_problem
from serving.guards import SchemaGuard
from serving.loaded import LoadedDoor
from serving.preparing import blocked
from serving.records import Step

_Found = TypeVar("_Found")


class Answer(NamedTuple):
    """A whole answer; `text` is what is given, after guards."""

    text: str
    answer: ChatAnswer


class Opened(NamedTuple):
    """A stream whose first word has come, and the model that speaks."""

    upstream: Upstream
    door: LoadedDoor


def request_of(call: Call, door: LoadedDoor, messages: Sequence[Message]) -> ChatRequest:
    """What one model of the release is sent."""
    content = call.release.manifest.prompt.content
    return ChatRequest(messages, params=door.params, schema=content.outputs,
                       tools=content.tools or None)  # type: ignore[arg-type]  # fmt: skip


def must_wait(call: Call) -> bool:
    """Whether an answer has to be whole before any of it is given."""
    manifest = call.release.manifest
    return manifest.prompt.content.outputs is not None or holds_back(manifest.guards)


async def ask(connections: Connections, call: Call, messages: Sequence[Message]) -> Answer:
    """The answer of the first model that gives one, checked and guarded. Raises as clients are
    told."""

    async def once(door: LoadedDoor, kind: str) -> tuple[LoadedDoor, ChatAnswer]:
        return door, await _one(connections, call, door, messages, kind)

    door, answer = await _first(call, once)
    answer = await _valid(connections, call, door, messages, answer)
    return Answer(_guarded(call, answer.text), answer)


async def _first(call: Call, once: Callable[[LoadedDoor, str], Awaitable[_Found]]) -> _Found:
    """What the first model that answers gives; `once` asks one, as a step of a kind."""
    last: ChatError | None = None
    for at, door in enumerate(call.release.doors):
        try:
            found = await once(door, "fallback" if at else "call")
        except ChatError as error:
            last = error
            continue
        call.record.model = door.target.name
        call.record.fallback = at > 0
        return found
    if last is None:
        raise Unavailable("This app has no model. Make a new release with one.")
    raise upstream_error(last, call.id)


@contextmanager
def _step(call: Call, door: LoadedDoor, kind: str) -> Iterator[Step]:
    """A step that asks a model; its trouble stands in the trace."""
    with call.step(kind, door.target.name) as step:
        try:
            if door.refused is not None:
                raise ChatError(failure("auth", door.refused))
            yield step
        except ChatError as error:
            step.detail = {"error": error.failure.message}
            raise


async def _one(
    connections: Connections, call: Call, door: LoadedDoor, messages: Sequence[Message], kind: str
) -> ChatAnswer:
    with _step(call, door, kind) as step:
        answer = await connections.connector(door.target).chat(request_of(call, door, messages))
        step.detail = {"tokens": [answer.usage.input_tokens, answer.usage.output_tokens]}
    call.took(answer.usage, door.price)
    return answer


async def _valid(
    connections: Connections,
    call: Call,
    door: LoadedDoor,
    messages: Sequence[Message],
    answer: ChatAnswer,
) -> ChatAnswer:
    """The answer, or the one that is given when its flaw against the output schema is named."""
    manifest = call.release.manifest
    schema = manifest.prompt.content.outputs
    if schema is None or answer.tool_calls:
        return answer
    problem = await asyncio.to_thread(schema_problem, answer.text, schema)
    if problem is not None and manifest.repair:
        answer = await _repaired(connections, call, door, messages, answer.text, problem)
        problem = await asyncio.to_thread(schema_problem, answer.text, schema)
    if problem is not None:
        _refuse_unless_noted(call, problem)
    return answer


async def _repaired(
    connections: Connections,
    call: Call,
    door: LoadedDoor,
    messages: Sequence[Message],
    said: str,
    problem: str,
) -> ChatAnswer:
    call.record.repaired = True
    with call.step("repair", door.target.name) as step:
        step.detail = {"problem": problem}
        again = _with_complaint(messages, said, problem)
        try:
            return await _one(connections, call, door, again, "call")
        except ChatError as error:
            raise upstream_error(error, call.id) from error


def _with_complaint(messages: Sequence[Message], said: str, problem: str) -> list[Message]:
    complaint = (
        f"This answer is not valid: {problem} Answer again, with one JSON value that is valid "
        "against the schema and nothing else."
    )
    return [
        *messages,
        {"role": "assistant", "content": said},
        {"role": "user", "content": complaint},
    ]


def _refuse_unless_noted(call: Call, problem: str) -> None:
    noted = any(
        isinstance(guard, SchemaGuard) and guard.action == "note"
        for guard in call.release.manifest.guards
    )
    with call.step("check", "schema") as step:
        step.ok, step.detail = False, {"problem": problem}
    if not noted:
        raise Unavailable(
            "The model's answer does not fit the app's output schema. Try again, or ask whoever "
            f"runs the app about the call {call.id}.",
            code="schema_violation",
        )


def _guarded(call: Call, text: str) -> str:
    guards = call.release.manifest.guards
    if not any(guard.where == "after" and not isinstance(guard, SchemaGuard) for guard in guards):
        return text
    with call.step("guard", "after") as step:
        checked = apply(guards, "after", text)
        step.detail = {"found": [list(note) for note in checked.notes]}
        if checked.blocked is not None:
            raise blocked(checked.blocked.kind, "answer")
    return checked.text


async def open_stream(connections: Connections, call: Call, messages: Sequence[Message]) -> Opened:
    """A stream that has begun to speak; another model is tried until then, and never after."""

    async def once(door: LoadedDoor, kind: str) -> Opened:
        with _step(call, door, kind):
            request = request_of(call, door, messages)
            stream = connections.stream(door.target, request, id=call.id, model=call.ref)
            return Opened(await stream, door)

    return await _first(call, once)
