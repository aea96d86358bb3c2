"""From wanted to actual and back, with real processes: started, killed, queued, idle, removed."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from connectors.backends import notes, service
from connectors.backends.holdings import Holding
from connectors.backends.models import Backend, BackendSettings
from connectors.backends.queue import Held
from connectors.connections import Connections
from connectors.demo import model_file
from connectors.service import target_of
from connectors.wire import ChatAnswer, ChatError, ChatRequest
from core.errors import Conflict, Unavailable
from tests.connectors.backends.conftest import GIB, Watched, left
from tests.support.models import adapter, folder

try:
    MODEL = str(model_file())
except Unavailable:
    MODEL = ""
needs_model = pytest.mark.skipif(not MODEL, reason="DEMO MODEL MISSING: run `make setup`")
ASK = ChatRequest([{"role": "user", "content": "hi"}], params={"max_tokens": 4, "temperature": 0})


def settings(place: Path, **fields: object) -> BackendSettings:
    return BackendSettings.model_validate({"kind": "vllm", "source": str(place), **fields})


async def asked(watched: Watched, model: str, request: ChatRequest = ASK) -> ChatAnswer:
    """A call, tried again as a run would."""
    async with Connections(watched.data) as connections:
        with watched.database.read_scope() as session:
            target = target_of(session, model, watched.database.settings.key_path)
        connector = connections.connector(target)
        for _ in range(20):
            try:
                return await connector.chat(request)
            except ChatError as error:
                if not error.failure.retryable:
                    raise
                await asyncio.sleep(0.2)
    raise AssertionError("never answered")


async def nobody_left(watched: Watched) -> None:
    for _ in range(100):
        if not left(watched.data):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(left(watched.data))


def engines(watched: Watched, name: str) -> list[int]:
    log = notes.log_of(watched.data, name).read_text()
    return [int(pid) for pid in re.findall(r"(?:pid|engine) (\d+)", log)]


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"


@needs_model
async def test_llamacpp_from_the_first_call_to_its_end(watched: Watched) -> None:
    """A call wakes it; killed, it comes again; stopped, it is gone; the key is nobody else's."""
    source = BackendSettings(kind="llamacpp", source=MODEL, context=1024, concurrency=2)
    watched.add("mine", source, start=False)
    assert watched.get("mine").state == "stopped"
    answer = await asked(watched, "mine")
    assert answer.text
    found = await watched.ready("mine")
    assert found.wanted == "running"
    note = notes.read_note(watched.data, "mine")
    assert note is not None
    assert note.pid is not None
    place = notes.folder_of(watched.data, "mine")
    for name in ("server.json", "start.json"):
        assert (place / name).stat().st_mode & 0o077 == 0
    assert note.key not in repr(note)
    assert not any(note.key in line for line in left(watched.data)), "no key in a command line"
    listening = [
        one.laddr.ip
        for child in psutil.Process(note.pid).children(recursive=True)
        for one in child.net_connections("inet")
        if one.status == "LISTEN"
    ]
    assert listening == ["127.0.0.1"]
    os.kill(note.pid, signal.SIGKILL)
    assert (await asked(watched, "mine")).text
    assert (await watched.until("mine", lambda one: one.state == "ready")).restarts == 1
    watched.change("mine", service.stop_backend)
    await watched.until("mine", lambda one: one.state == "stopped")
    assert left(watched.data) == []


async def test_vllm_loads_tells_and_ends(watched: Watched, small_vllm, tmp_path: Path) -> None:
    watched.add("v", settings(folder(tmp_path / "m", misbehave="slow-0.7"), context=256))
    found = await watched.until("v", lambda one: one.progress is not None)
    assert found.state == "loading", "not ready before it answers"
    await watched.ready("v")
    sent = json.loads((await asked(watched, "v", ChatRequest(
        ASK.messages, params={"max_tokens": 9999, "chat_template": "{{ 1 }}",
                              "chat_template_kwargs": {"a": 1}, "prompt_embeds": "x"},
    ))).text)  # fmt: skip
    assert sent["max_tokens"] == 256
    assert set(sent) == {"model", "messages", "max_tokens"}
    front, engine = engines(watched, "v")
    os.kill(front, signal.SIGKILL)
    await watched.until("v", lambda one: one.restarts == 1)
    assert not lives(engine)
    await watched.ready("v")
    note = notes.read_note(watched.data, "v")
    assert note is not None
    _, engine = engines(watched, "v")
    os.kill(note.pid or 0, signal.SIGKILL)
    await watched.until("v", lambda one: one.restarts == 2)
    assert not lives(engine), "whose guard was killed, and which hides its environment"
    watched.change("v", service.remove_backend)
    await nobody_left(watched)


@pytest.mark.parametrize(("does", "why"), [("die", "nothing is there"), ("oom", "out of memory")])
async def test_a_failure_says_why_and_is_tried_again(
    watched: Watched, small_vllm, tmp_path: Path, does: str, why: str
) -> None:
    place = folder(tmp_path / "m", misbehave=does)
    watched.add("v", settings(place))
    found = await watched.until("v", lambda one: one.state == "failed")
    assert why in str(found.reason)
    assert "backend logs v" in str(found.reason)
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, "misbehave": ""}))
    await watched.ready("v")


async def test_what_must_not_be_loaded_is_refused_before_a_start(
    watched: Watched, small_vllm, tmp_path: Path
) -> None:
    place = folder(tmp_path / "m", auto_map={"AutoModel": "x.y"})
    watched.add("v", settings(place))
    found = await watched.until("v", lambda one: one.state == "failed")
    assert "code of its own" in str(found.reason)
    with pytest.raises(ChatError, match="code of its own") as refused:
        await asked(watched, "v")
    assert refused.value.failure.fatal_for_model
    assert not notes.log_of(watched.data, "v").exists()


async def test_other_weights_do_not_answer_under_the_old_name(
    watched: Watched, small_vllm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does an adapter that nobody holds any more keep a call waiting."""
    monkeypatch.setattr("connectors.backends.connector.LACKING_SECONDS", 0.5)
    place = folder(tmp_path / "m")
    watched.add("v", settings(place, lora=True))
    with watched.database.session_scope("user:admin") as session:
        service.serve_adapter(session, "v", "gone", watched.data / "tuning" / "x")
        row = session.get(Backend, "v")
        assert row is not None
        row.asked_adapters = {}
        session.add(row)
    await watched.ready("v")
    with pytest.raises(ChatError, match="holds no such adapter"):
        await asked(watched, "gone")
    (place / "merges.txt").write_text("others")
    os.kill(engines(watched, "v")[0], signal.SIGKILL)
    await watched.until("v", lambda one: one.restarts == 1)
    await watched.ready("v")
    with pytest.raises(ChatError, match="Add the backend again"):
        await asked(watched, "v")


async def test_memory_is_waited_for_in_turn(watched: Watched, small_vllm, tmp_path: Path) -> None:
    watched.places = [watched.places[0]._replace(total=10 * GIB, free=10 * GIB)]
    place = folder(tmp_path / "m")
    for name, memory in (("a", 6), ("b", 6), ("c", 6), ("huge", 99)):
        watched.add(name, settings(place, gpu_memory=memory))
    await watched.ready("a")
    found = await watched.until("b", lambda one: one.figures.position == 1)
    assert "number 1 of the queue" in str(found.reason)
    await watched.until("c", lambda one: one.figures.position == 2)
    huge = await watched.until("huge", lambda one: one.state == "failed")
    assert "99.0 GiB" in str(huge.reason)
    watched.change("a", service.stop_backend)
    await watched.ready("b")
    assert watched.get("c").state == "queued"


async def test_a_training_that_holds_the_memory_is_waited_for(
    watched: Watched, small_vllm, tmp_path: Path
) -> None:
    watched.places = [watched.places[0]._replace(total=10 * GIB, free=10 * GIB)]
    training = Holding(watched.data, "tuning-x")
    training.tell([Held("cpu", 6 * GIB, resident=False)])
    watched.add("a", settings(folder(tmp_path / "m"), gpu_memory=6))
    await watched.until("a", lambda one: one.figures.position == 1)
    assert training.others() == []
    training.end()
    await watched.ready("a")
    assert [(one.place, one.need) for one in training.others()] == [("cpu", 6 * GIB)]
    watched.change("a", service.remove_backend)
    until = time.monotonic() + 20
    while training.others():
        assert time.monotonic() < until, "what is gone holds memory"
        await asyncio.sleep(0.05)


async def test_idle_ones_stop_and_calls_wake_them(
    watched: Watched, small_vllm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.backends.keeper.FIGURES_SECONDS", 0.2)
    watched.add("v", settings(folder(tmp_path / "m"), idle_minutes=0.01))
    await watched.ready("v")
    found = await watched.until("v", lambda one: one.state == "stopped")
    assert found.wanted == "stopped"
    assert "A call starts it" in str(found.reason)
    assert (await asked(watched, "v")).text


async def test_adapters_are_loaded_kept_over_restarts_and_unloaded(
    watched: Watched, small_vllm, tmp_path: Path
) -> None:
    root = watched.data / "tuning"
    watched.add("v", settings(folder(tmp_path / "m"), lora=True, max_rank=16, max_adapters=3))
    places = {name: adapter(root / name / "adapter") for name in ("good", "high")}
    high = places["high"] / "adapter_config.json"
    high.write_text(json.dumps({"peft_type": "LORA", "r": 64}))
    outside = adapter(tmp_path / "outside")
    with watched.database.session_scope("user:admin") as session:
        served = service.serve_adapter(session, "v", "good", places["good"])
        service.serve_adapter(session, "v", "high", places["high"])
        service.serve_adapter(session, "v", "outside", outside)
        with pytest.raises(Conflict, match="holds 3 adapters"):
            service.serve_adapter(session, "v", "more", root / "more")
    answer = await asked(watched, "good")
    assert answer.model == served.served_name
    with pytest.raises(ChatError, match="max_lora_rank 16"):
        await asked(watched, "high")
    with pytest.raises(ChatError, match="not one of this data folder"):
        await asked(watched, "outside")
    os.kill(engines(watched, "v")[0], signal.SIGKILL)
    assert (await asked(watched, "good")).model == served.served_name
    with watched.database.session_scope("user:admin") as session:
        service.remove_adapter(session, "v", "good")
    await watched.until("v", lambda one: one.state == "ready" and not one.adapters)


ROOT = Path(__file__).parents[3]
WORKER = """
import asyncio, sys
from pathlib import Path
from core.database import Database
from core.settings import Settings
from connectors.backends import environment, watch
from connectors.backends.environment import Installation
from connectors.backends.watch import Watch
watch.ROUND_SECONDS = 0.05
environment.find = lambda data: Installation(Path(sys.argv[2]), "cpu", "0")
database = Database(Settings(data_dir=sys.argv[1], database_url=None))
asyncio.run(Watch(database).run(asyncio.Event()))
"""


async def test_a_killed_worker_leaves_nobody_and_the_next_one_goes_on(
    watched: Watched, small_vllm, tmp_path: Path
) -> None:
    """The worker alone; and worker and guard at once, as when memory runs out."""
    await watched.end()
    watched.add("v", settings(folder(tmp_path / "m")))
    for both in (False, True):
        command = [sys.executable, "-c", WORKER, str(watched.data), str(tmp_path / "python")]
        worker = subprocess.Popen(command, cwd=ROOT)  # noqa: ASYNC220
        await watched.ready("v")
        note = notes.read_note(watched.data, "v")
        assert note is not None
        worker.kill()
        if both:
            os.kill(note.pid or 0, signal.SIGKILL)
        worker.wait()
        _, engine = engines(watched, "v")
        if not both:
            await nobody_left(watched)
        with watched.database.session_scope("user:admin") as session:
            service._row(session, "v").seen_at = None
        assert watched.get("v").state == "stopped", "nobody watches: nothing runs"
    watched.begin()
    await watched.ready("v")
    assert not lives(engine)


async def test_one_watcher_at_a_time(watched: Watched, small_vllm, tmp_path: Path) -> None:
    second = Watched(watched.database)
    second.begin()
    watched.add("v", settings(folder(tmp_path / "m")))
    await watched.ready("v")
    assert len([line for line in left(watched.data) if "guard.py" in line]) == 1
    await watched.end()
    await second.until("v", lambda one: one.state == "stopped")
    await second.ready("v")
    await second.end()
