"""Streamlit's AppTest over the real entry script, on a real database, signed in for real."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, app_test

from app.server.context import Context, set_context
from app.workspace.components import access
from connectors.connections import Connections
from connectors.generate import Generations
from connectors.service import ensure_builtin
from core.database import Database
from core.users import ensure_admin, get_user, make_link_token, redeem
from core.workspace_settings import set_setting
from tests.support.scan import scan_once

scan_once()
_compiled = ScriptCache()
# As in the server: one cache for all runs of the scripts.
app_test.ScriptCache = lambda: _compiled  # type: ignore[assignment,misc]

MAIN = Path(__file__).parents[2] / "app" / "workspace" / "main.py"


class Loop:
    """An event loop on a thread of its own, as the server has one."""

    def __init__(self, database: Database) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.connections = Connections(database.settings.data)
        self.generations = self.run(self._open(database))

    async def _open(self, database: Database) -> Generations:
        await self.connections.__aenter__()
        return Generations(database, self.connections)

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def close(self) -> None:
        self.run(self.generations.close(1.0))
        self.run(self.connections.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)


@contextmanager
def served(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """A process context over `database`, and a browser whose cookie the database knows."""
    with database.session_scope("system") as session:
        ensure_admin(session)
        ensure_builtin(session)
        token = make_link_token(session, "admin")
        cookie = redeem(session, token)
        set_setting(session, "simple_editor", True)
    background = Loop(database)
    context = Context(database.settings, database, background.generations, background.loop)
    set_context(context)
    # AppTest has no cookies; everything behind this one function is real.
    monkeypatch.setattr(access, "cookies", lambda: {context.cookie: cookie})
    try:
        yield context
    finally:
        set_context(None)
        background.close()


def speak(database: Database, language: str) -> None:
    """The language of the administrator's pages from now on."""
    with database.session_scope("system") as session:
        user = get_user(session, "admin")
        user.language = language
        session.add(user)


def matrix(found: AppTest) -> pd.DataFrame:
    """The lines of the cells of a run by `case`, `arm_0`, `arm_1` …; "" where there is none."""
    return _matrix(found, 1, "")


def matrix_looks(found: AppTest) -> pd.DataFrame:
    """How they look, in the same places."""
    return _matrix(found, 2, ())


def _matrix(found: AppTest, part: int, none: Any) -> pd.DataFrame:
    (told,) = _told(found, "promptstone_matrix")
    return pd.DataFrame(
        {"case": case}
        | {f"arm_{n}": none if one is None else one[part] for n, one in enumerate(row)}
        for case, row in told["rows"]
    )


def pictures(found: AppTest) -> list[str]:
    """The pictures of a page as SVG."""
    return [told["svg"] for told in _told(found, "promptstone_picture")]


def _told(found: AppTest, component: str) -> list[dict[str, Any]]:
    """What the drawings of a component were given."""
    return [
        json.loads(one.proto.json)
        for one in found.get("bidi_component")
        if one.proto.component_name == component
    ]


def page(name: str = "home", **query: str) -> AppTest:
    """The workspace at a page, run once."""
    test = AppTest.from_file(str(MAIN), default_timeout=30)
    if name != "home":
        # A page can be chosen only after the navigation was drawn once.
        test.run()
        test.switch_page(f"{name}.py")
    for key, value in query.items():
        test.query_params[key] = value
    return test.run()


def words(test: AppTest) -> str:
    """Everything that a page says in texts, titles, captions and alerts."""
    kinds = ("title", "header", "subheader", "text", "caption", "markdown", "error", "code")
    found = [str(one.value) for kind in kinds for one in getattr(test, kind)]
    return "\n".join(found)


def button(test: AppTest, key: str) -> Any:
    """A button by key."""
    return test.button(key=key)
