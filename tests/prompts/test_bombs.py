"""Templates that would never end, or take all memory, are stopped; the rest goes on."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prompts import render_process
from prompts.content import MessageTemplate
from prompts.render_process import RenderProcess, WorkerDiedError
from prompts.template import RenderedPrompt, Renderer, TemplateError, TemplateProblem
from tests.prompts.hostile import BOMBS, CPU_BOMBS, MEMORY_BOMBS, OTHER_BOMBS
from tests.support.depth import DEEP

SOME = BOMBS if DEEP else [CPU_BOMBS[0], CPU_BOMBS[4], *MEMORY_BOMBS[:12:4], *OTHER_BOMBS]
SLACK = 2.0


@pytest.fixture
def r() -> Iterator[Renderer]:
    made = Renderer(workers=1)
    yield made
    made.close()


def one(source: str) -> list[MessageTemplate]:
    return [MessageTemplate(role="user", content=source)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_the_collection_is_large() -> None:
    assert len(set(BOMBS)) >= 30


@pytest.mark.parametrize("source", SOME)
def test_a_bomb_is_a_problem_within_four_seconds(r: Renderer, source: str) -> None:
    r.render(one("{{ 1 }}"), {})
    seen = r.pids()
    start = time.monotonic()
    (result,) = r.render_many(one(source), [{}])
    took = time.monotonic() - start
    assert isinstance(result, TemplateProblem)
    assert took < 4 + SLACK
    if DEEP:
        start = time.monotonic()
        with contextlib.suppress(TemplateError):
            r.variables(one(source))
        assert time.monotonic() - start < 4 + SLACK
    assert r.render(one("{{ 1 }}"), {}).messages[0]["content"] == "1"
    seen += r.pids()
    r.close()
    assert not any(map(alive, seen))


def test_in_a_group_only_the_guilty_one_fails(r: Renderer) -> None:
    source = "{% for a in range(n) %}{% for b in range(n) %}{% endfor %}{% endfor %}{{ n }}"
    inputs = [{"n": 99_999 if at == 17 else at} for at in range(40)]
    results = r.render_many(one(source), inputs)
    assert [at for at, x in enumerate(results) if isinstance(x, TemplateProblem)] == [17]
    assert all(
        x.messages[0]["content"] == str(at)
        for at, x in enumerate(results)
        if isinstance(x, RenderedPrompt)
    )


def test_a_template_that_dies_while_compiling_is_not_repeated_for_each_input(r: Renderer) -> None:
    start = time.monotonic()
    results = r.render_many(one("{{ 3 ** (10 ** 8) }}{{ n }}"), [{"n": n} for n in range(32)])
    assert all(isinstance(x, TemplateProblem) for x in results)
    assert time.monotonic() - start < 8 + SLACK


async def test_the_event_loop_goes_on_meanwhile() -> None:
    r = Renderer(workers=2)
    bombs = [asyncio.create_task(r.arender_many(one(CPU_BOMBS[0]), [{}])) for _ in range(2)]
    waits: list[float] = []
    while not all(bomb.done() for bomb in bombs):
        start = time.perf_counter()
        await asyncio.sleep(0.005)
        waits.append(time.perf_counter() - start - 0.005)
    waits.sort()
    assert len(waits) > 20
    assert waits[int(len(waits) * 0.99)] < 0.25
    r.close()


_PARENT = """
from prompts.content import MessageTemplate
from prompts.template import renderer
renderer().render([MessageTemplate(role="user", content="{{ 1 }}")], {})
print(renderer().pids()[0], flush=True)
renderer().render([MessageTemplate(role="user", content=%r)], {})
"""


@pytest.mark.parametrize("source", ["{{ 1 }}", CPU_BOMBS[0]])
def test_a_worker_ends_with_its_killed_parent(source: str) -> None:
    code = _PARENT % source + ("import time; time.sleep(60)" if source == "{{ 1 }}" else "")
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": "."},
    )
    assert parent.stdout
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20  # two seconds of computing may take many on a busy machine
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def unlimited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RenderProcess:
    """A worker whose limits on computing and memory are taken away."""
    source = render_process.WORKER.read_text()
    worker = tmp_path / "render_worker.py"
    loose = source.replace("CPU_SECONDS = 2\n", "CPU_SECONDS = 1000\n")
    loose = loose.replace("MEMORY_BYTES = 512 * 1024", "MEMORY_BYTES = 8192 * 1024")
    assert loose.count("1000\n") > source.count("1000\n")
    worker.write_text(loose)
    monkeypatch.setattr(render_process, "WORKER", worker)
    return RenderProcess()


def request(source: str) -> bytes:
    import json

    body = {"op": "render", "sources": [source], "threads": [], "inputs": [{}]}
    return json.dumps(body).encode()


def test_without_the_limits_the_bombs_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = unlimited(tmp_path, monkeypatch)
    start = time.monotonic()
    with pytest.raises(WorkerDiedError, match="takes too long"):
        worker.ask(request(CPU_BOMBS[0]), 5.0)
    assert time.monotonic() - start > 4.9
    assert worker.ask(request("{{ ('a' * 10 ** 9)|length }}"), 30.0) == [["1000000000"]]
    worker.kill()
