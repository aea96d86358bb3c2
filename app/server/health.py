"""Whether the process lives, whether it can serve, and its figures."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from app.server.context import current
from app.server.metrics import exposition
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
    """The database is migrated and a worker lives."""
    migrated = await run_in_threadpool(_migrated)
    alive = migrated and await run_in_threadpool(worker_alive, current().database)
    ready = migrated and alive
    body = {"status": "ready" if ready else "not ready", "database": migrated, "worker": alive}
    return JSONResponse(body, 200 if ready else 503)


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Figures in Prometheus' text format."""
    database = current().database
    alive = await run_in_threadpool(worker_alive, database)
    text = await run_in_threadpool(exposition, database, worker_alive=alive)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _migrated() -> bool:
    try:
        return current_revision(current().database) == known_revisions()[-1]
    except SQLAlchemyError:
        return False
