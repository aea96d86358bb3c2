"""The real vLLM: loads, answers behind its door, and dies with its guard. Minutes, once."""

import os
import signal
from pathlib import Path

import pytest

from connectors.backends import environment, notes
from connectors.backends.asking import ask, local
from connectors.backends.models import BackendSettings
from connectors.client import CheckedClient
from core.errors import Unavailable
from tests.connectors.backends.conftest import Watched, left
from tests.connectors.backends.test_watch import asked

SOURCE = os.environ.get("PROMPTSTONE_TEST_MODEL", "")
"""A folder of safetensors with a chat template, such as SmolLM2's."""


def installed() -> bool:
    try:
        return bool(environment.find(Path("/nowhere")))
    except Unavailable:
        return False


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not (SOURCE and installed()), reason="set PROMPTSTONE_VLLM_PYTHON and PROMPTSTONE_TEST_MODEL"
)
async def test_real_vllm(watched: Watched) -> None:
    settings = BackendSettings(kind="vllm", source=SOURCE, context=1024, concurrency=4, lora=True)
    watched.add("v", settings)
    await watched.until("v", lambda one: one.state in ("ready", "failed"), 300)
    assert (await asked(watched, "v")).text
    note = notes.read_note(watched.data, "v")
    assert note is not None
    async with CheckedClient() as client:
        for path, body in (("invocations", {}), ("tokenize", {}), ("version", None)):
            for key, status in ((note.key, 404), ("wrong", 401)):
                reply = await ask(client, local(note.port or 0, key), path, body)
                assert reply.status == status, path
    os.kill(note.pid or 0, signal.SIGKILL)
    await watched.until("v", lambda one: one.restarts == 1, 60)
    assert not [line for line in left(watched.data) if "VLLM" in line]
