"""A call of an app from its admission to its record: the one way for HTTP, pages and runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.connections import Connections
from connectors.wire import ChatError
from core.database import Database
from core.errors import Invalid, Overloaded, PromptstoneError
from serving.asking import Opened, ask, must_wait, open_stream
from serving.bodies import Asked, Turn
from serving.calls import Call, new_call, upstream_error
from serving.chunks import content_chunk, finish_chunk, head_chunk
from serving.keys import LiveKey
from serving.live import Live
from serving.loaded import LoadedRelease
from serving.meters import Admission, Meters
from serving.pinning import pinned_answer
from serving.preparing import guard_request, messages_of
from serving.recorder import Recorder
from serving.turns import Turns

MOST_AT_ONCE = 1_000
"""Calls of a process under way; one more is refused at once, so that those that run can end."""
_DEFAULT_OUTPUT = 256
_NANO = Decimal(10**9)


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer; `finish_reason` as the model said it, `pinned` for one that a person wrote."""

    text: str
    finish_reason: str
    tool_calls: tuple[dict[str, Any], ...] = ()
    pinned: bool = False


class Answering:
    """Answers calls of apps in one event loop; without a recorder they leave no trace."""

    def __init__(
        self,
        database: Database,
        connections: Connections,
        live: Live,
        meters: Meters | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.live = live
        self.observers: list[Callable[[Call], None]] = []
        self._database = database
        self._connections = connections
        self._meters = meters
        self._recorder = recorder
        self._turns = Turns(database)
        self._under_way: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def settled(self, seconds: float) -> None:
        """Return once no call is under way, or after so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    async def begin(
        self, request_id: str, ref: str, asked: Asked, key: LiveKey | None, user: str | None = None
    ) -> Call:
        """Find the release that `ref` means for this caller; raises NotFound or Overloaded."""
        if len(self._under_way) >= MOST_AT_ONCE:
            raise Overloaded(
                f"The server answers {MOST_AT_ONCE:,} calls already. Try again in a second.",
                code="overloaded",
            )
        sticky = asked.user or user or asked.conversation or request_id
        chosen = await self.live.find(ref, key, sticky)
        release = await self.live.release(chosen.app, chosen.number)
        call = new_call(request_id, chosen, release, asked, key, asked.user or user)
        if key is not None and key.budget_nano is not None and _unpriced(release):
            raise Invalid(
                f"The key {key.name} has a budget, and the app {chosen.app.name} has no price. "
                "Set the prices of its model, or use a key without a budget."
            )
        return call

    async def admit(self, call: Call, size: int) -> Admission | None:
        """Take from the key's limits what the call may need; raises RateLimited.

        `size` is that of the body in bytes: a quarter of it is taken as its tokens.
        """
        if call.key is None or self._meters is None:
            return None
        door = call.release.doors[0] if call.release.doors else None
        most = door.params.get("max_tokens") if door else None
        made = most if type(most) is int else _DEFAULT_OUTPUT
        given = size // 4 + 16
        nano = 0
        if door is not None and door.price is not None and call.key.budget_nano is not None:
            price = door.price
            paid = given * price.input_per_million + made * price.output_per_million
            nano = int(paid * 1000)
        return await self._meters.admit(
            call.key, tokens=given + made, cost_nano=nano, stream=call.asked.stream
        )

    async def whole(self, call: Call, admission: Admission | None) -> Whole:
        """The whole answer; whatever happens, the call is recorded once and settled."""
        self._begun(call)
        try:
            return await self._whole(call)
        except asyncio.CancelledError:
            _aborted(call)
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            self.end(call, admission)

    async def _whole(self, call: Call) -> Whole:
        kept = await self._turns.before(call)
        await guard_request(call)
        turns = [*kept.turns, *call.asked.messages]
        whole = await self._pinned(call, turns)
        if whole is None:
            messages = await messages_of(self._database, call, turns)
            call.content.messages = [dict(one) for one in messages]
            text, answer = await ask(self._connections, call, messages)
            call.answered(answer, text)
            calls = tuple(dict(one) for one in answer.tool_calls)
            whole = Whole(text, answer.finish_reason or "stop", calls)
        await self._turns.keep(call, kept.revision, whole.text)
        return whole

    async def stream(self, call: Call, admission: Admission | None) -> AsyncIterator[bytes]:
        """The events of an answer, without `[DONE]` and usage; the first one has come already.

        Raises before the first event as `whole` does; after it the iterator raises what a client
        is told. Closing it ends the call at the model.
        """
        self._begun(call)
        try:
            if must_wait(call):
                return self._as_stream(call, admission, await self._whole(call))
            kept = await self._turns.before(call)
            await guard_request(call)
            turns = [*kept.turns, *call.asked.messages]
            pinned = await self._pinned(call, turns)
            if pinned is not None:
                await self._turns.keep(call, kept.revision, pinned.text)
                return self._as_stream(call, admission, pinned)
            messages = await messages_of(self._database, call, turns)
            call.content.messages = [dict(one) for one in messages]
            opened = await open_stream(self._connections, call, messages)
        except asyncio.CancelledError:
            _aborted(call)
            self.end(call, admission)
            raise
        except BaseException as error:
            call.fail(error)
            self.end(call, admission)
            raise
        return self._relayed(call, admission, opened, kept.revision)

    async def _as_stream(
        self, call: Call, admission: Admission | None, whole: Whole
    ) -> AsyncIterator[bytes]:
        try:
            call.record.ttft_ms = round(call.elapsed_ms(), 3)
            yield head_chunk(call)
            yield content_chunk(call, whole.text, whole.tool_calls)
            yield finish_chunk(call, whole.finish_reason)
        finally:
            self.end(call, admission)

    async def _relayed(
        self, call: Call, admission: Admission | None, opened: Opened, revision: int
    ) -> AsyncIterator[bytes]:
        upstream = opened.upstream
        whole = False
        try:
            if call.sources:
                yield head_chunk(call)
            async for events in upstream.events():
                yield events
            whole = True
        except ChatError as error:
            raised = upstream_error(error, call.id)
            call.fail(raised)
            raise raised from error
        except (asyncio.CancelledError, GeneratorExit):
            _aborted(call)
            raise
        except Exception as error:
            call.fail(error)
            raise
        finally:
            await self._spoken(call, admission, opened, revision, whole=whole)

    async def _spoken(
        self,
        call: Call,
        admission: Admission | None,
        opened: Opened,
        revision: int,
        *,
        whole: bool,
    ) -> None:
        upstream = opened.upstream
        try:
            await upstream.aclose()
            call.content.output = upstream.text
            call.content.tool_calls = [dict(one) for one in upstream.reply.tool_calls]
            if upstream.first_at is not None:
                call.record.ttft_ms = round((upstream.first_at - call.started) * 1000, 3)
            call.took(await upstream.counted(), opened.door.price)
            if whole:
                await self._turns.keep(call, revision, upstream.text)
        except PromptstoneError as error:
            call.fail(error)
            raise
        finally:
            self.end(call, admission)

    async def _pinned(self, call: Call, turns: Sequence[Turn]) -> Whole | None:
        found = await pinned_answer(self._database, call, turns)
        return None if found is None else Whole(found.answer, "stop", pinned=True)

    def _begun(self, call: Call) -> None:
        self._under_way.add(call.id)
        self._idle.clear()

    def end(self, call: Call, admission: Admission | None) -> None:
        """Record the call and give back what it did not use; the second time nothing happens."""
        self._under_way.discard(call.id)
        if not self._under_way:
            self._idle.set()
        app = self.live.app(call.record.app_id) or call.chosen.app
        record = call.end(keep_content=app.operations.log_content)
        if record is None:
            return
        if admission is not None and self._meters is not None:
            nano = int(call.cost * _NANO)
            self._meters.settle(admission, tokens=call.tokens_in + call.tokens_out, cost_nano=nano)
        if self._recorder is not None:
            self._recorder.put(record)
            for observe in self.observers:
                observe(call)


def _unpriced(release: LoadedRelease) -> bool:
    return any(door.price is None for door in release.doors)


def _aborted(call: Call) -> None:
    record = call.record
    record.state = "aborted"
    if call.stopped:
        record.status, record.error_kind = 503, "server_stopped"
        record.error = "The server was stopped before the answer was whole."
    else:
        record.status, record.error_kind = 499, "client_gone"
        record.error = "The client went away before the answer was whole."
