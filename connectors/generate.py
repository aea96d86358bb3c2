"""Single calls made from pages: a task on the server's loop, a row in the database, a live text.

The row is written before the call and again before the end is told, so a reload, a click or a
closed tab loses nothing. Pages run in other threads: `start`, `stop` and `text` may be called from
any of them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from sqlmodel import Session, col, select

from connectors.body import build_body
from connectors.connections import Connections
from connectors.models import Generation
from connectors.prices import Price, cost
from connectors.service import get_model, target_of
from connectors.wire import ChatAnswer, ChatError, ChatRequest, Message, Target, Usage
from core.canonical import Json
from core.clock import new_id, utcnow
from core.database import Database

State = Literal["sent", "succeeded", "failed", "stopped", "interrupted", "unknown"]
log = logging.getLogger("promptstone.generations")
PAID = "The server stopped during this call; it may have been paid. Run it again if you need it."


class Round(NamedTuple):
    """The next request of a conversation with tools, and the results that it goes on with."""

    request: ChatRequest
    results: list[str]


GoesOn = Callable[[ChatRequest, ChatAnswer], Round | None]
"""What is asked after an answer with tool calls; None ends the conversation."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a page asks: who, which model, what, and the prompt version it came from.

    `goes_on` answers tool calls; it says itself when there were enough of them.
    """

    actor: str
    target: Target
    request: ChatRequest
    price: Price | None = None
    prompt: str | None = None
    version: int | None = None
    goes_on: GoesOn | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """`text` replaces what is shown, `delta` is appended, `end` says how it ended."""

    kind: Literal["text", "delta", "end"]
    id: str
    text: str = ""
    state: State = "sent"


@dataclass(slots=True)
class _Live:
    actor: str
    parts: list[str] = field(default_factory=list[str])
    begun: int = 0  # rounds; each says its text anew
    state: State = "sent"
    watchers: set[asyncio.Event] = field(default_factory=set[asyncio.Event])
    task: "asyncio.Task[None] | None" = None
    stopped: State | None = None

    def wake(self) -> None:
        for watcher in self.watchers:
            watcher.set()


class Reached(NamedTuple):
    """A model as a call needs it: where it is, its own parameters, its prices."""

    target: Target
    params: Mapping[str, Json]
    price: Price | None


def reach(session: Session, model: str, key_path: Path) -> Reached:
    """A model by name; raises as `target_of` does."""
    found = get_model(session, model)
    return Reached(target_of(session, model, key_path), found.settings.params, found.price)


def prepare(
    session: Session,
    actor: str,
    model: str,
    messages: Sequence[Message],
    key_path: Path,
    *,
    params: Mapping[str, Json] | None = None,
    schema: Mapping[str, Json] | None = None,
    tools: Sequence[Mapping[str, Json]] | None = None,
    prompt: str | None = None,
    version: int | None = None,
    goes_on: GoesOn | None = None,
) -> Call:
    """A call of a model by name; `params` win over the model's own. Raises as `target_of` does."""
    found = reach(session, model, key_path)
    request = ChatRequest(messages, {**found.params, **(params or {})}, schema, tools)
    return Call(actor, found.target, request, found.price, prompt, version, goes_on)


def record(session: Session, call: Call) -> str:
    """Add the row of a call, for `Generations.begin` once it is committed; returns its id."""
    row = Generation(
        id=new_id(),
        actor=call.actor,
        model=call.target.name,
        prompt=call.prompt,
        version=call.version,
        request=cast(dict[str, Any], build_body(call.target, call.request)),
    )
    session.add(row)
    return row.id


def mark_interrupted(session: Session) -> int:
    """At a start: name the calls that were in flight when the last server died."""
    rows = list(session.exec(select(Generation).where(col(Generation.state) == "sent")))
    for row in rows:
        row.state, row.error, row.ended_at = "interrupted", PAID, utcnow()
        session.add(row)
    return len(rows)


class _Ended(NamedTuple):
    """A round that went on: what was said, and the results that the model was told."""

    answer: ChatAnswer
    results: list[str]

    def as_json(self, price: Price | None) -> dict[str, Any]:
        money = cost(self.answer.usage, price)
        return {
            "output": self.answer.text,
            "tool_calls": [dict(one) for one in self.answer.tool_calls],
            "results": self.results,
            "input_tokens": self.answer.usage.input_tokens,
            "output_tokens": self.answer.usage.output_tokens,
            "cost": None if money is None else str(money),
        }


class _End(NamedTuple):
    state: State
    error: str | None
    answer: ChatAnswer | None
    rounds: list[_Ended]


def _total(usages: Sequence[Usage]) -> Usage:
    return Usage(sum(one.input_tokens for one in usages), sum(one.output_tokens for one in usages))


class Generations:
    """The running generations of one server process; made inside its event loop."""

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._live: dict[str, _Live] = {}

    def start(self, call: Call) -> str:
        """Write the row, begin the call, return its id; the loop need not be this thread's."""
        with self._database.session_scope(call.actor) as session:
            generation_id = record(session, call)
        self.begin(generation_id, call)
        return generation_id

    def begin(self, generation_id: str, call: Call) -> None:
        """Begin a call whose row is committed."""
        self._live[generation_id] = _Live(call.actor)
        self._loop.call_soon_threadsafe(self._begin, generation_id, call)

    def stop(self, generation_id: str) -> None:
        """End a call; what it said so far is kept."""
        self._loop.call_soon_threadsafe(self._cancel, generation_id, "stopped")

    def text(self, generation_id: str) -> str | None:
        """What a running call has said so far; None when it is not running here."""
        live = self._live.get(generation_id)
        return None if live is None else "".join(live.parts)

    async def follow(self, actor: str, ids: Sequence[str]) -> AsyncIterator[Event]:
        """Everything that these generations say, from their beginning to their end, in one stream.

        Generations of somebody else end at once as `unknown`.
        """
        changed = asyncio.Event()
        mine = {id: live for id in ids if (live := self._live.get(id)) and live.actor == actor}
        for generation_id in dict.fromkeys(ids):
            if generation_id not in mine:
                for event in await asyncio.to_thread(self._stored, actor, generation_id):
                    yield event
        seen = dict.fromkeys(mine, 0)
        rounds = {id: live.begun for id, live in mine.items()}
        for live in mine.values():
            live.watchers.add(changed)
        try:
            while seen:
                changed.clear()
                for generation_id in list(seen):
                    live = mine[generation_id]
                    ended = live.state != "sent"
                    if rounds[generation_id] != live.begun:
                        rounds[generation_id], seen[generation_id] = live.begun, 0
                        yield Event("text", generation_id)
                    if new := live.parts[seen[generation_id] :]:
                        kind = "delta" if seen[generation_id] else "text"
                        seen[generation_id] += len(new)
                        yield Event(kind, generation_id, "".join(new))
                    if ended:
                        del seen[generation_id]
                        yield Event("end", generation_id, state=live.state)
                if seen:
                    await changed.wait()
        finally:
            for live in mine.values():
                live.watchers.discard(changed)

    async def close(self, seconds: float = 10.0) -> None:
        """Let what runs finish for a while, then end it as interrupted."""
        tasks = [live.task for live in self._live.values() if live.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for generation_id in list(self._live):
            self._cancel(generation_id, "interrupted")
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, generation_id: str, call: Call) -> None:
        live = self._live[generation_id]
        live.task = self._loop.create_task(self._run(generation_id, live, call))
        if live.stopped:
            live.task.cancel()

    def _cancel(self, generation_id: str, state: State) -> None:
        live = self._live.get(generation_id)
        if live is None or live.state != "sent" or live.stopped:
            return
        live.stopped = state
        if live.task is not None:
            live.task.cancel()

    async def _run(self, generation_id: str, live: _Live, call: Call) -> None:
        def said(text: str) -> None:
            live.parts.append(text)
            live.wake()

        answer: ChatAnswer | None = None
        state: State = "succeeded"
        error: str | None = None
        rounds: list[_Ended] = []
        try:
            connector = self._connections.connector(call.target)
            request: ChatRequest | None = call.request
            while request is not None:
                answer = None
                made = await connector.chat(request, on_delta=said)
                more = call.goes_on(request, made) if call.goes_on and made.tool_calls else None
                answer, request = made, more.request if more else None
                if more is not None:
                    rounds.append(_Ended(made, more.results))
                    live.parts.clear()
                    live.begun += 1
                    live.wake()
        except asyncio.CancelledError:
            state = live.stopped or "interrupted"
            error = PAID if state == "interrupted" else None
        except ChatError as failed:
            state, error = "failed", failed.failure.message
        except Exception as failed:  # whoever follows the call must learn that it has ended
            log.exception("generation %s failed", generation_id)
            state, error = "failed", f"The call failed: {type(failed).__name__}. Report this."
        ending = asyncio.to_thread(
            self._save, generation_id, live, call, _End(state, error, answer, rounds)
        )
        try:
            await ending
        finally:
            live.state = state
            self._live.pop(generation_id, None)
            live.wake()

    def _save(
        self,
        generation_id: str,
        live: _Live,
        call: Call,
        end: "_End",
    ) -> None:
        state, error, answer, rounds = end
        with self._database.session_scope(call.actor) as session:
            row = session.get(Generation, generation_id)
            if row is None:
                return
            row.state, row.error, row.ended_at = state, error, utcnow()
            row.output = answer.text if answer else "".join(live.parts)
            row.rounds = [one.as_json(call.price) for one in rounds] or None
            answers = [one.answer for one in rounds] + ([answer] if answer else [])
            if answers:
                total = _total([one.usage for one in answers])
                row.input_tokens, row.output_tokens = total.input_tokens, total.output_tokens
                row.ttft_ms = answers[0].ttft_ms
                row.latency_ms = sum(one.latency_ms for one in answers)
                row.cost = cost(total, call.price)
            if answer is not None:
                row.tool_calls = [dict(one) for one in answer.tool_calls] or None
            session.add(row)

    def _stored(self, actor: str, generation_id: str) -> list[Event]:
        with self._database.read_scope() as session:
            row = session.get(Generation, generation_id)
        if row is None or row.actor != actor:
            return [Event("end", generation_id, state="unknown")]
        ended = Event("end", generation_id, state=cast(State, row.state))
        return [Event("text", generation_id, row.output), ended]
