"""`/healthz` and `/readyz` of a worker that runs alone, for whoever looks after processes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.server.health import is_migrated, readiness
from app.server.protocol import BoundedProtocol
from core.database import Database
from core.settings import Settings
from evalsets.runs.worker_note import heard_here

_END_SECONDS = 2.0


@contextmanager
def probes(settings: Settings, listener: socket.socket) -> Iterator[None]:
    """Answer in a thread of its own, so that a loop that hangs is told from a process that lives.

    They say nothing but yes or no, so they need no key and look at no host name.
    """
    database = Database(settings)

    async def healthz(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> JSONResponse:
        migrated = await run_in_threadpool(is_migrated, database)
        alive = migrated and await run_in_threadpool(_beats, database)
        return readiness(alive, migrated, alive)

    config = uvicorn.Config(
        Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz)]),
        http=BoundedProtocol, lifespan="off", access_log=False, log_level="warning",
        server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_END_SECONDS)
        database.close()


def _beats(database: Database) -> bool:
    try:
        with database.read_scope() as session:
            return heard_here(session, database.settings.data)
    except SQLAlchemyError:
        return False
