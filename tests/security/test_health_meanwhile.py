"""SAFETY T3: while pages render bombs, a real server's `/healthz` answers at once."""

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.prompts.hostile import CPU_BOMBS, MEMORY_BOMBS
from tests.support.depth import DEEP
from tests.support.serving import ask

MOST_MS = 250
SLACK = 1 if DEEP else 2
"""The plain run shares its cores with the tests beside it."""
BOMBS = CPU_BOMBS + MEMORY_BOMBS if DEEP else [CPU_BOMBS[0], CPU_BOMBS[4], MEMORY_BOMBS[0]]
HOLDS = "{{ (3 ** (10 ** 7)) % 7 }}"
"""Seconds in one call of C, which holds the interpreter of whoever computes it."""
SERVER = """
import sys
from pathlib import Path
from urllib.parse import quote
import uvicorn
from fastapi import Request
from app.opening import open_database
from app.server.binding import bind
from app.server.main import build
from app.server.run import _Ending, _lifespan
from core.settings import Settings
from serving.live import Live
from jinja2.sandbox import ImmutableSandboxedEnvironment
from prompts.content import MessageTemplate
from prompts.template import renderer

listener = bind("127.0.0.1", 0)
port = listener.getsockname()[1]
settings = Settings(data_dir=Path(sys.argv[1]), database_url=None, port=port)
database = open_database(settings)
api = build(_lifespan(database, [], Live(database), _Ending()), workspace=False)

def page(source: str) -> str:  # a thread of the server's pool, as a page has one
    message = MessageTemplate(role="user", content=source)
    return type(renderer().render_many([message], [{}])[0]).__name__

def unguarded(source: str) -> str:
    return str(len(ImmutableSandboxedEnvironment().from_string(source).render()))

api.get("/page")(page)
api.get("/unguarded")(unguarded)
print(port, flush=True)
uvicorn.Server(uvicorn.Config(api, log_level="warning")).run([listener])
"""


@contextmanager
def server(data: Path) -> Iterator[int]:
    """Our routes, and two that render what they are told; the port."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(data)], stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        deadline = time.monotonic() + 30
        while not answers(port):
            assert time.monotonic() < deadline, "the server did not get ready"
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def answers(port: int) -> bool:
    try:
        return ask(port, "/healthz").status == 200
    except OSError:
        return False


def rendered(port: int, path: str, source: str) -> str:
    """What the route says of a template."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", f"/{path}?source={quote(source)}")
    said = connection.getresponse().read().decode()
    connection.close()
    return said


def waits_meanwhile(port: int, path: str, sources: list[str]) -> tuple[list[float], list[str]]:
    """Milliseconds of each look at `/healthz` while two requests at a time render `sources`."""
    said: list[str] = []
    rest = iter(sources)
    lock = threading.Lock()

    def pages() -> None:
        while True:
            with lock:
                source = next(rest, None)
            if source is None:
                return
            said.append(rendered(port, path, source))

    threads = [threading.Thread(target=pages) for _ in range(2)]
    for thread in threads:
        thread.start()
    waits: list[float] = []
    while any(thread.is_alive() for thread in threads):
        begun = time.perf_counter()
        assert ask(port, "/healthz").status == 200
        waits.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.005)
    return sorted(waits), said


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with server(tmp_path / "data") as found:
        yield found


def test_health_answers_while_pages_render_bombs(port: int) -> None:
    assert rendered(port, "page", "fine") == '"RenderedPrompt"'
    waits, said = waits_meanwhile(port, "page", BOMBS)
    assert said == ['"TemplateProblem"'] * len(BOMBS)
    assert len(waits) > 20
    p99 = waits[int(len(waits) * 0.99)]
    assert p99 < MOST_MS * SLACK, f"{p99:.0f} ms of {len(waits)} looks"


def test_without_the_worker_processes_it_does_not(port: int) -> None:
    """Control: the same looks see it where the server's own process renders."""
    waits, said = waits_meanwhile(port, "unguarded", [HOLDS, HOLDS])
    assert len(said) == 2
    assert waits[-1] > MOST_MS * SLACK
