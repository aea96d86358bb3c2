"""Whether the process lives, whether it can serve, and its figures."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from app.server.context import current
from app.server.metrics import exposition
from core.database import Database
from core.migrate import current_revision, known_revisions
from evalsets.runs.worker_note import worker_alive

router = APIRouter(tags=["operations"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses={503: {"description": "not ready"}})
async def readyz() -> JSONResponse:
    """The database is migrated, and a worker lives where it is part of this server."""
    here = current()
    migrated = await run_in_threadpool(is_migrated, here.database)
    alive = migrated and await run_in_threadpool(worker_alive, here.database)
    return readiness(migrated and (alive or not here.has_worker), migrated, alive)


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Figures in Prometheus' text format."""
    database = current().database
    alive = await run_in_threadpool(worker_alive, database)
    text = await run_in_threadpool(exposition, database, worker_alive=alive)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def readiness(ready: bool, migrated: bool, alive: bool) -> JSONResponse:
    """The one answer of all roles; 503 keeps a balancer from sending work here."""
    body = {"status": "ready" if ready else "not ready", "database": migrated, "worker": alive}
    return JSONResponse(body, 200 if ready else 503)


def is_migrated(database: Database) -> bool:
    """Whether the database answers and has the schema of this code."""
    try:
        return current_revision(database) == known_revisions()[-1]
    except SQLAlchemyError:
        return False
