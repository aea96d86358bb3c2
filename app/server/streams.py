"""What running generations say, as one event stream for all columns of a page."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from app.server.context import current
from connectors.generate import Event
from core.errors import TooLarge

router = APIRouter(include_in_schema=False)
MOST_IDS = 64
HEARTBEAT_SECONDS = 15.0
_END = object()


@router.get("/ui/streams")
async def streams(
    request: Request, ids: Annotated[str, Query(max_length=4096)]
) -> StreamingResponse:
    """Events `text`, `delta` and `end` of one's own generations, from their beginning.

    Ends when all have ended; a reconnect begins again with the whole text of each.
    """
    wanted = [part for part in ids.split(",") if part]
    if len(wanted) > MOST_IDS:
        raise TooLarge(f"At most {MOST_IDS} generations are followed at once. Close some columns.")
    events = current().generations.follow(f"user:{request.state.user}", wanted)
    return StreamingResponse(
        with_heartbeat(events, HEARTBEAT_SECONDS),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def with_heartbeat(events: AsyncIterator[Event], seconds: float) -> AsyncIterator[bytes]:
    """The events as lines; a comment whenever nothing was said for so long."""
    waiting: asyncio.Future[Event | object] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(events, _END))
            done, _ = await asyncio.wait({waiting}, timeout=seconds)
            if not done:
                yield b": still here\n\n"
                continue
            event, waiting = waiting.result(), None
            if not isinstance(event, Event):
                return
            yield _line(event)
    finally:
        if waiting is not None:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
        await events.aclose()  # pyright: ignore[reportAttributeAccessIssue]


def _line(event: Event) -> bytes:
    data = orjson.dumps({"id": event.id, "text": event.text, "state": event.state})
    return b"event: " + event.kind.encode() + b"\ndata: " + data + b"\n\n"
