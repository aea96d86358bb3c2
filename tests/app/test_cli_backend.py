"""`promptstone backend` from outside: what it prints, what it refuses."""

from pathlib import Path

import pytest

from tests.support.forked import Forking
from tests.support.models import folder
from tests.support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, forking: Forking) -> Shell:
    return Shell(tmp_path / "data", forking)


def test_a_backend_from_its_estimate_to_its_end(shell: Shell, tmp_path: Path) -> None:
    place = folder(tmp_path / "model")
    options = ("--kind", "vllm", "--source", str(place), "--lora", "--idle-minutes", "5")
    made = shell.json("backend", "add", "mine", *options)
    assert (made["name"], made["state"], made["lora"]) == ("mine", "stopped", True)
    assert "KV" not in shell("backend", "list")
    assert [one["name"] for one in shell.json("backend", "list")["backends"]] == ["mine"]
    planned = shell.json("backend", "estimate", "mine")
    assert planned["total"] == sum(
        planned[part] for part in ("weights", "kv_cache", "adapters", "overhead")
    )
    assert shell.json("backend", "start", "mine")["wanted"] == "running"
    assert shell.json("backend", "stop", "mine")["wanted"] == "stopped"
    assert shell.json("backend", "show", "mine")["source"] == str(place)
    assert shell.json("backend", "logs", "mine") == {"name": "mine", "lines": []}
    assert shell.json("backend", "gpus")["places"][-1]["id"] == "cpu"
    kinds = {one["name"]: one["kind"] for one in shell.json("model", "list")["models"]}
    assert kinds["mine"] == "backend"
    shell("backend", "remove", "mine")
    assert shell.json("backend", "list") == {"backends": []}
    assert "mine" not in shell("model", "list")


def test_what_may_not_be_loaded_is_not_added(shell: Shell, tmp_path: Path) -> None:
    place = folder(tmp_path / "model")
    (place / "pytorch_model.bin").write_bytes(b"PK\x03\x04" + bytes(100))
    for source in (place, tmp_path / "none"):
        said = shell.error("backend", "add", "mine", "--kind", "vllm", "--source", str(source))
        assert said.strip().endswith(".")
    assert shell.json("backend", "list") == {"backends": []}


def test_a_name_of_a_hub_needs_its_memory(shell: Shell) -> None:
    arguments = ("backend", "add", "mine", "--kind", "vllm", "--source", "org/model")
    assert "--gpu-memory" in shell.error(*arguments)
    assert shell.json(*arguments, "--gpu-memory", "20")["gpu_memory"] == 20
