"""The whole application of one process: our routes first, the workspace mounted last."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.routing import Route

from app.server import docs, editor_script, health, sign_in, streams
from app.server.context import cookie_name
from app.server.direct import Direct
from app.server.errors import add_handlers, error_answer
from app.server.guard import Guard
from app.server.hosts import host_rule
from app.server.sessions import Sessions
from core.database import Database
from serving.http import routes as apps
from serving.live import Live

if TYPE_CHECKING:
    from streamlit.starlette import App

SCRIPT = Path(__file__).parents[1] / "workspace" / "main.py"
ROUTERS = (
    *(health.router, sign_in.router, streams.router, editor_script.router, docs.router),
    apps.router,
)
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def guarded(api: FastAPI, database: Database, live: Live) -> Guard:
    """`api` behind the check of sessions and keys."""
    settings = database.settings
    public = urlsplit(settings.public_url or "").hostname
    rule = host_rule(settings.host, (*settings.allowed_hosts, *([public] if public else [])))
    return Guard(Direct(api), Sessions(database), rule, cookie_name(settings), live)


def build(lifespan: Lifespan, *, workspace: bool) -> FastAPI:
    """The routes; with `workspace` also the pages. `lifespan` surrounds Streamlit's own."""
    stack_of = [lifespan]
    ui = _workspace() if workspace else None
    if ui is not None:
        stack_of.append(ui.lifespan())

    @asynccontextmanager
    async def combined(api: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in stack_of:
                await stack.enter_async_context(part(api))
            yield

    api = FastAPI(
        title="Promptstone", version=version("promptstone"), lifespan=combined,
        docs_url=None, redoc_url=None, swagger_ui_oauth2_redirect_url=None,
    )  # fmt: skip
    add_handlers(api)
    for router in ROUTERS:
        api.include_router(router)
    _close(api)
    if ui is not None:
        api.mount("/", ui)
    return api


def _workspace() -> "App":
    from streamlit.starlette import App

    return App(SCRIPT)


def _close(api: FastAPI) -> None:
    """Answer ourselves what would fall through to the pages: other methods, unknown API paths."""
    allowed: dict[str, set[str]] = {}
    for route in (*api.routes, *(route for router in ROUTERS for route in router.routes)):
        if isinstance(route, Route | APIRoute):
            allowed.setdefault(route.path, set()).update(route.methods or ())
    for path, methods in allowed.items():
        others = [method for method in _METHODS if method not in methods]
        api.add_route(path, _wrong_method(methods), methods=others, include_in_schema=False)
    for prefix in ("/v1", "/apps", "/api", "/ui"):
        api.add_route(
            prefix + "/{path:path}", _nothing_here, methods=_METHODS, include_in_schema=False
        )


def _wrong_method(allowed: Iterable[str]) -> Callable[[Request], Awaitable[JSONResponse]]:
    named = ", ".join(sorted(allowed))

    async def wrong_method(request: Request) -> JSONResponse:
        answer = error_answer(405, f"{request.url.path} has no {request.method}. See /docs.")
        answer.headers["allow"] = named
        return answer

    return wrong_method


async def _nothing_here(request: Request) -> JSONResponse:
    return error_answer(404, f"There is no {request.url.path}. See /docs for what there is.")
