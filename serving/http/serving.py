"""What the routes of apps need of their process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from connectors.connections import Connections
from core.database import Database
from serving import metrics, otel
from serving.answering import Answering
from serving.as_model import AppModel
from serving.keys import LiveKey
from serving.live import Live
from serving.meters import Meters
from serving.recorder import Recorder

_LAST_SECONDS = 1.0
"""What a stopped server gives calls that it has cancelled, to tell what they took."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Set as `state.serving` of the application at its start."""

    database: Database
    live: Live
    answering: Answering
    recorder: Recorder


def serving_of(connection: HTTPConnection) -> Serving:
    """The process's own."""
    return connection.app.state.serving


def key_of(connection: HTTPConnection) -> LiveKey:
    """The key that the guard found good."""
    return connection.scope["state"]["key"]


@asynccontextmanager
async def serving_apps(
    database: Database, connections: Connections, live: Live
) -> AsyncIterator[Serving]:
    """All that answers calls in this loop; at the end everything that waits is written."""
    recorder = Recorder(database)
    meters = Meters(database)
    spans = otel.Spans() if otel.wanted() else None
    try:
        async with live:
            answering = Answering(database, connections, live, meters, recorder)
            answering.observers += [metrics.observe, *([spans] if spans else [])]
            connections.serve_apps(lambda target: AppModel(answering, target))
            yield Serving(database, live, answering, recorder)
            await answering.settled(_LAST_SECONDS)
            await meters.close()
    finally:
        await asyncio.to_thread(recorder.close)
        if spans is not None:
            await asyncio.to_thread(spans.close)
