"""One call of an app as an ASGI answer: limits, disconnects, streams, idempotency.

The work is done when the server sends the answer, because only there a client's going is seen.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.errors import PromptstoneError, RateLimited, Unavailable, http_status
from serving import chunks, idempotency
from serving.answering import Whole
from serving.bodies import Asked
from serving.calls import Call
from serving.http.body import ClientGone, read_body, until_gone
from serving.http.serving import Serving
from serving.idempotency import Stored
from serving.keys import LiveKey

_JSON = "application/json"
_EVENTS = "text/event-stream; charset=utf-8"

log = logging.getLogger("promptstone.serving")

T = TypeVar("T")
Headers = list[tuple[bytes, bytes]]
Shape = Callable[[Call, Whole], dict[str, Any]]


class CallAnswer(Response):
    """The answer to one call; `ref` names the app, or the body does."""

    def __init__(
        self,
        serving: Serving,
        key: LiveKey,
        read: Callable[[bytes], Asked],
        shape: Shape,
        ref: str | None = None,
        *,
        result_event: bool = False,
    ) -> None:
        self.background: BackgroundTask | None = None
        self._serving = serving
        self._key = key
        self._read = read
        self._shape = shape
        self._ref = ref
        self._result_event = result_event
        self._headers: Headers = []
        self._token: str | None = None
        self._renewing: asyncio.Task[None] | None = None
        self.started = False
        self._streams = False
        self._call: Call | None = None
        self._said: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope["state"]["request_id"]
        try:
            raw = await read_body(scope, receive)
            if await self._replayed(scope, raw, request_id, send):
                return
            await self._answer(raw, request_id, receive, send)
        except ClientGone:
            await self._release(request_id)
        except PromptstoneError as error:
            await self._release(request_id)
            await self._refuse(error, send)
        except asyncio.CancelledError:
            # The server is stopped, and has waited for this call as long as it does.
            await self._release(request_id)
            await self._refuse(_stopped(), send)
        except BaseException as error:
            await self._release(request_id)
            if not self._streams or not isinstance(error, Exception):
                raise
            # The status is sent already: a client in the middle of a stream is told by an event.
            log.exception("the call %s failed in its stream", request_id)
            await self._refuse(_unforeseen(request_id), send)
        finally:
            if self._renewing is not None:
                self._renewing.cancel()

    async def _answer(self, raw: bytes, request_id: str, receive: Receive, send: Send) -> None:
        """Make the call, and end it as soon as the client goes away."""
        making = asyncio.ensure_future(self._make(raw, request_id, send))
        gone = asyncio.ensure_future(until_gone(receive))
        try:
            await asyncio.wait({making, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not making.done():
                making.cancel()
                await asyncio.wait({making})
                if not making.cancelled():
                    making.exception()
                raise ClientGone
            await making
        except asyncio.CancelledError:
            if self._call is not None:
                self._call.stopped = True
            making.cancel()
            await asyncio.wait({making})
            raise
        finally:
            gone.cancel()

    async def _make(self, raw: bytes, request_id: str, send: Send) -> None:
        answering = self._serving.answering
        asked = self._read(raw)
        ref = self._ref or asked.model or ""
        self._call = call = await answering.begin(request_id, ref, asked, self._key)
        admission = await answering.admit(call, len(raw))
        if admission is not None:
            self._headers += admission.headers()
        if asked.stream:
            events = await answering.stream(call, admission)
            await self._stream(call, events, send)
            return
        whole = await answering.whole(call, admission)
        body = orjson.dumps(self._shape(call, whole))
        await self._store(Stored(200, _JSON, body.decode(), call.id))
        await self._send(200, _JSON, body, send)

    async def _stream(self, call: Call, events: AsyncIterator[bytes], send: Send) -> None:
        try:
            # An iterator that was begun is one that can be closed with all that it holds.
            first = await anext(events, b"")
            await self._start(200, _EVENTS, send, ((b"cache-control", b"no-cache"),))
            self._streams = True
            if first:
                await self._piece(first, send)
            async for piece in events:
                await self._piece(piece, send)
        finally:
            await events.aclose()  # type: ignore[attr-defined]
        await self._piece(self._last(call), send)
        self._streams = False
        await self._store(Stored(200, _EVENTS, b"".join(self._said).decode(), call.id))
        await send({"type": "http.response.body", "body": b""})

    def _last(self, call: Call) -> bytes:
        """Usage where it was asked for, the whole result of an invoke, and the end."""
        parts: list[bytes] = []
        if self._result_event:
            whole = Whole(call.content.output, "stop")
            parts.append(chunks.event({"object": "invoke.result", **self._shape(call, whole)}))
        elif call.asked.include_usage:
            parts.append(chunks.usage_chunk(call))
        return b"".join([*parts, chunks.DONE])

    async def _start(
        self, status: int, media: str, send: Send, more: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        headers = [(b"content-type", media.encode()), *more, *self._headers]
        self.started = True
        await send({"type": "http.response.start", "status": status, "headers": headers})

    def _piece(self, piece: bytes, send: Send) -> Awaitable[None]:
        if self._token is not None:
            self._said.append(piece)
        # A client that does not read is cut off by the server's protocol: no timer is needed here.
        return send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _send(self, status: int, media: str, body: bytes, send: Send) -> None:
        await self._start(status, media, send, ((b"content-length", str(len(body)).encode()),))
        await send({"type": "http.response.body", "body": body})

    async def _refuse(self, error: PromptstoneError, send: Send) -> None:
        """Tell a client why it has no answer; within a stream as an event, and without `[DONE]`."""
        if self._streams:
            event = chunks.event(chunks.error_value(error))
            await send({"type": "http.response.body", "body": event})
        if self.started:
            return
        if isinstance(error, RateLimited):
            self._headers.append((b"retry-after", str(max(1, error.retry_after or 1)).encode()))
            self._headers += error.headers
        body = orjson.dumps(chunks.error_value(error))
        await self._send(http_status(error).status, _JSON, body, send)

    async def _replayed(self, scope: Scope, raw: bytes, request_id: str, send: Send) -> bool:
        """Send the answer that this Idempotency-Key got before, if it got one."""
        token = next((v for n, v in scope["headers"] if n == b"idempotency-key"), None)
        if token is None:
            return False
        checked = idempotency.check_token(token.decode("latin-1"))
        digest = hashlib.sha256(scope["path"].encode() + b"\0" + raw).hexdigest()
        stored = await asyncio.to_thread(self._claim, checked, digest, request_id)
        if stored is None:
            self._token = checked
            self._renewing = asyncio.create_task(self._renew(request_id))
            return False
        # By this id the call is found again, such as for feedback: the repetition is no call.
        self._headers.append((b"x-request-id", stored.request_id.encode()))
        self._headers.append((b"idempotent-replayed", b"true"))
        await self._send(stored.status, stored.media, stored.body.encode(), send)
        return True

    def _claim(self, token: str, digest: str, request_id: str) -> Stored | None:
        with self._serving.database.session_scope(f"key:{self._key.id}") as session:
            return idempotency.claim(session, self._key.id, token, digest, request_id)

    async def _renew(self, request_id: str) -> None:
        while True:
            await asyncio.sleep(idempotency.RENEW_SECONDS)
            with contextlib.suppress(SQLAlchemyError):  # the next time is soon enough
                await self._note(idempotency.renew, request_id)

    async def _store(self, answer: Stored) -> None:
        await self._note(idempotency.store, answer)

    async def _release(self, request_id: str) -> None:
        await self._note(idempotency.release, request_id)

    async def _note(self, change: Callable[[Session, str, str, T], None], about: T) -> None:
        """Change what is known of this call's Idempotency-Key, if it came with one."""
        token = self._token
        if token is None:
            return

        def write() -> None:
            with self._serving.database.session_scope(f"key:{self._key.id}") as session:
                change(session, self._key.id, token, about)

        await asyncio.to_thread(write)


def _unforeseen(request_id: str) -> Unavailable:
    return Unavailable(
        f"The answer could not be given to its end. Try again; the call is {request_id}.",
        code="internal",
    )


def _stopped() -> Unavailable:
    return Unavailable(
        "The server was stopped before the answer was whole. Try again.", code="server_stopped"
    )
