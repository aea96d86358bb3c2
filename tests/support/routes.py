"""Print every route of the whole application, ours and the workspace's, as JSON."""

import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from fastapi import FastAPI
from streamlit.starlette import App
from streamlit.web.server.starlette.starlette_app import create_streamlit_routes

from app.server.main import ROUTERS, SCRIPT, build
from app.server.streamlit_config import configure
from core.settings import Settings


@asynccontextmanager
async def _nothing(_api: FastAPI) -> AsyncIterator[None]:
    yield


def main() -> None:
    """One `[kind, path, methods]` a route; a mount ends in `/`."""
    configure(Settings(data_dir=Path(tempfile.gettempdir()), database_url=None), 8501)
    api = build(_nothing, workspace=False)
    ours = [*api.routes, *(route for router in ROUTERS for route in router.routes)]
    theirs = create_streamlit_routes(App(SCRIPT)._create_runtime())
    found = []
    for route in (*ours, *theirs):
        path = getattr(route, "path", None)
        if path is not None:
            methods = sorted(getattr(route, "methods", None) or [])
            found.append([type(route).__name__, path, methods])
    print(json.dumps(found))


main()
