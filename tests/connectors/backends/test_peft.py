"""A backend of the kind peft: added, started by the trainer's Python, asked, killed, stopped."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import psutil
import pytest

from connectors.backends import notes, service
from connectors.backends.gpus import Place
from connectors.backends.models import BackendSettings
from connectors.backends.naming import served_model
from connectors.backends.prepare import estimate_of, prepare, start_of
from connectors.models import Model, ModelSettings
from connectors.wire import ChatError, ChatRequest
from core.database import Database
from core.errors import Invalid, Unavailable
from prompts.chat_template import check_chat_template
from tests.connectors.backends.conftest import CPU, GIB, Watched
from tests.connectors.backends.test_watch import asked, nobody_left
from tests.support.models import adapter, folder, gguf

SERVER = Path(__file__).parents[2] / "support" / "peft_server.py"
GPU = Place("GPU-1", "NVIDIA L4", 24 * GIB, 24 * GIB, 3)


def settings(base: Path, tuned: Path | None, **fields: object) -> BackendSettings:
    given = {"kind": "peft", "source": str(base), "adapter": tuned and str(tuned), **fields}
    return BackendSettings.model_validate(given)


@pytest.fixture
def worker(watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackendSettings:
    """A base and an adapter; our Python in the place of the trainer's runs the tests' worker."""
    program = tmp_path / "trainer"
    program.write_text(f'#!/bin/sh\nshift 3\nexec "{sys.executable}" -P "{SERVER}" "$@"\n')
    program.chmod(0o755)
    watched.trainer = lambda _data: program
    monkeypatch.setenv("A_SECRET", "of ours")
    tuned = adapter(watched.data / "tuning" / "one" / "adapter")
    return settings(folder(tmp_path / "base"), tuned, context=256, idle_minutes=0)


async def test_it_lives_as_the_others_do(
    watched: Watched, worker: BackendSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watched.end()
    monkeypatch.setattr("connectors.backends.keeper.FIGURES_SECONDS", 0.1)
    watched.begin()
    watched.add("p", worker, start=False)
    request = ChatRequest([{"role": "user", "content": "one two"}], params={"max_tokens": 9999})
    answer = await asked(watched, "p", request)
    assert (answer.text, answer.model) == ("one two ", served_model(worker))
    found = await watched.until("p", lambda one: one.figures.memory is not None)
    assert found.figures.reserved
    note = notes.read_note(watched.data, "p")
    assert note is not None
    start = notes.folder_of(watched.data, "p") / "start.json"
    assert start.stat().st_mode & 0o077 == 0
    told = json.loads(start.read_bytes())
    assert told["cache"] == str(watched.data / "tuning" / "bases")
    commands = [" ".join(one.cmdline()) for one in psutil.Process(note.pid).children()]
    assert commands
    assert not any(note.key in command for command in commands), "no key in a command line"
    log = notes.log_of(watched.data, "p").read_text()
    assert "seen\n" in log, "it sees no secret of ours"
    os.kill(int(re.findall(r"pid (\d+)", log)[0]), signal.SIGKILL)
    assert (await watched.until("p", lambda one: one.restarts == 1)).wanted == "running"
    assert (await asked(watched, "p", request)).text == "one two "
    watched.change("p", service.stop_backend)
    await watched.until("p", lambda one: one.state == "stopped")
    await nobody_left(watched)


async def test_it_is_idle_and_says_why_it_failed(
    watched: Watched, worker: BackendSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watched.end()
    monkeypatch.setattr("connectors.backends.keeper.FIGURES_SECONDS", 0.1)
    watched.begin()
    watched.add("idle", worker.model_copy(update={"idle_minutes": 0.01}))
    broken = adapter(watched.data / "tuning" / "two" / "adapter")
    (broken / "adapter_config.json").write_text(json.dumps({"misbehave": "it does not fit"}))
    watched.add("broken", worker.model_copy(update={"adapter": str(broken)}))
    outside = adapter(tmp_path / "outside")
    watched.add("outside", worker.model_copy(update={"adapter": str(outside)}))
    found = await watched.until("broken", lambda one: one.state == "failed")
    assert "it does not fit" in str(found.reason)
    found = await watched.until("outside", lambda one: one.state == "failed")
    assert "not one of this data folder" in str(found.reason)
    found = await watched.until("idle", lambda one: one.state == "stopped")
    assert "idle" in str(found.reason)
    with pytest.raises(ChatError, match="not one of this data folder"):
        await asked(watched, "outside")


def test_what_is_added(sqlite_db: Database, tmp_path: Path) -> None:
    """One adapter or none; few calls at once; a schema is written into the prompt."""
    base, tuned = folder(tmp_path / "base"), adapter(tmp_path / "tuning" / "adapter")
    with sqlite_db.session_scope("user:admin") as session:
        service.add_backend(session, "p", settings(base, tuned))
        row = session.get(Model, "p")
        assert row is not None
        model = ModelSettings.model_validate(row.settings)
        assert (model.concurrency, model.structured) == (4, "prompt")
        service.add_backend(session, "whole", settings(base, None))
        for wrong in (settings(base, tuned, lora=True), settings(base, tuned, kind="vllm")):
            with pytest.raises(Invalid):
                service.add_backend(session, "q", wrong)


def test_its_name_goes_by_base_and_adapter(tmp_path: Path) -> None:
    base, tuned = folder(tmp_path / "base"), adapter(tmp_path / "adapter")
    names = {served_model(settings(base, tuned)), served_model(settings(base, None))}
    (tuned / "adapter_model.safetensors").write_bytes(b"other")
    names.add(served_model(settings(base, tuned)))
    assert len(names) == 3


def test_the_memory_is_of_its_numbers(tmp_path: Path) -> None:
    """32 bits each on a CPU, 16 on a GPU; a GGUF file is turned into those, whatever it has."""
    base, tuned = folder(tmp_path / "base"), tmp_path / "adapter"
    on_cpu = estimate_of(settings(base, tuned), [CPU], "cpu")
    on_gpu = estimate_of(settings(base, tuned), [GPU, CPU])
    assert (on_gpu.on_gpu, on_cpu.on_gpu) == (True, False)
    assert on_cpu.parts.weights == 2 * on_gpu.parts.weights > 0
    assert on_cpu.parts.kv_cache == 2 * on_gpu.parts.kv_cache == on_cpu.one
    small = tmp_path / "small.gguf"
    facts = {"general.architecture": "llama", "llama.block_count": 2, "llama.embedding_length": 64,
             "llama.feed_forward_length": 128, "llama.attention.head_count": 4,
             "llama.attention.head_count_kv": 2, "llama.vocab_size": 256}  # fmt: skip
    small.write_bytes(gguf(facts))
    assert estimate_of(settings(small, tuned), [CPU]).parts.weights >= on_cpu.parts.weights


def test_a_start_names_its_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "of ours")
    tuned = adapter(tmp_path / "tuning" / "adapter")
    asked_for = settings(folder(tmp_path / "base"), tuned)
    with pytest.raises(Unavailable):
        prepare(asked_for, tmp_path, [CPU], check_chat_template)
    seen = {}
    for place in (CPU, GPU):
        ready = prepare(asked_for, tmp_path, [place], trainer=lambda _data: Path("/trainer"))
        place_of = tmp_path / "backends" / "p"
        place_of.mkdir(parents=True, exist_ok=True)
        start = start_of(ready, place, "model", place_of, "mark")
        seen[place.id] = start.environment["CUDA_VISIBLE_DEVICES"]
        assert start.command[-5:-1] == ("/trainer", "-P", "-m", "tuning.trainer.serve")
        assert "A_SECRET" not in start.environment
    assert seen == {"cpu": "", "GPU-1": "3"}
