"""The embedded model with real adapters: prefix and lora by the PEFT worker, and lora merged."""

import sys
from pathlib import Path

import pytest

from connectors.backends import service
from connectors.backends.models import BackendSettings
from connectors.demo import model_file
from connectors.wire import ChatRequest
from core.errors import Unavailable
from tests.connectors.backends.conftest import Watched
from tests.connectors.backends.test_watch import asked, nobody_left
from tests.support.training import ROWS, write_job
from tests.tuning.test_merging import job_of
from tests.tuning.test_trainer_smollm import train
from tuning import environment
from tuning.folders import job_folder
from tuning.merging import merge


def trainer(_data: Path) -> Path:
    """The trainer's Python as `make` prepares it."""
    return environment.find(Path(sys.prefix))


def installed() -> bool:
    try:
        return bool(trainer(Path())) and model_file().is_file()
    except Unavailable:
        return False


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not installed(), reason="run `make setup` and `promptstone tune install`")
async def test_real_adapters(watched: Watched) -> None:
    await watched.end()
    watched.trainer = trainer
    watched.begin()
    knobs = {"steps": 10, "batch": 4, "max_length": 128, "epochs": None}
    folders = {}
    for kind, rate in (("prefix", 1e-2), ("lora", 2e-3)):
        folders[kind] = write_job(
            job_folder(watched.data, kind), model_file(), "sft", {"kind": kind},
            knobs={**knobs, "learning_rate": rate},
        )  # fmt: skip
        train(trainer(Path()), folders[kind])
        settings = BackendSettings(
            kind="peft", source=str(model_file()), adapter=str(folders[kind] / "adapter"),
            context=512,
        )  # fmt: skip
        watched.add(kind, settings)
    whole = merge(watched.data, job_of(folders["lora"]), print)
    assert merge(watched.data, job_of(folders["lora"]), print) == whole
    watched.add("whole", BackendSettings(kind="peft", source=str(whole), context=512))
    request = ChatRequest(ROWS["sft"][3]["messages"][:1], {"max_tokens": 12, "temperature": 0})
    said = {}
    for name in ("prefix", "lora", "whole"):
        found = await watched.until(name, lambda one: one.state in ("ready", "failed"), 200)
        assert found.state == "ready", found.reason
        answer = await asked(watched, name, request)
        assert answer.usage.output_tokens <= 12
        said[name] = answer.text
        memory = (await watched.until(name, lambda one: bool(one.figures.memory))).figures
        assert 0 < (memory.memory or 0) < 1.5 * (memory.reserved or 0), "about as estimated"
    assert "zebra" in said["lora"].lower()
    assert said["whole"] == said["lora"] != said["prefix"]
    for name in said:
        watched.change(name, service.stop_backend)
    await nobody_left(watched)
