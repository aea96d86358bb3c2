"""vLLM's environment: found whole, never half; and the real one, asked through a backend."""

import json
import os
import sys
from pathlib import Path

import pytest

from connectors.backends import environment
from connectors.backends.environment import find, folder_of
from core.errors import Unavailable


def made(data: Path, note: object | None) -> Path:
    folder = folder_of(data)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    if note is not None:
        (folder / "promptstone.json").write_text(json.dumps(note))
    return folder


@pytest.fixture(autouse=True)
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMPTSTONE_VLLM_PYTHON", raising=False)


@pytest.mark.parametrize("note", [None, {}, [], {"device": "cpu"}])
def test_a_half_install_is_none(tmp_path: Path, note: object) -> None:
    made(tmp_path, note)
    with pytest.raises(Unavailable, match="backend install vllm"):
        find(tmp_path)


def test_a_whole_one_is_found_until_its_python_goes(tmp_path: Path) -> None:
    folder = made(tmp_path, {"device": "cpu", "version": "0.32.0"})
    assert find(tmp_path) == (folder / "bin" / "python", "cpu", "0.32.0")
    (folder / "bin" / "python").unlink()
    with pytest.raises(Unavailable, match="gone"):
        find(tmp_path)


def test_a_named_python_must_have_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTSTONE_VLLM_PYTHON", sys.executable)
    with pytest.raises(Unavailable, match="has no vLLM"):
        find(tmp_path)
    fake = tmp_path / "python"
    for said, device in (('["0.24.0", null]', "gpu"), ('[null, "0.32.0"]', "cpu"),
                         ('["0.32.0+cpu", null]', "cpu")):  # fmt: skip
        fake.write_text(f"#!/bin/sh\necho '{said}'\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PROMPTSTONE_VLLM_PYTHON", str(fake))
        assert find(tmp_path).device == device
    monkeypatch.setenv("PROMPTSTONE_VLLM_PYTHON", str(tmp_path / "none"))
    with pytest.raises(Unavailable, match="no working Python"):
        find(tmp_path)


def test_doctor_tells_of_the_wrong_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, {"device": "gpu", "version": "0.24.0"})
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(Unavailable, match="none is seen"):
        environment.doctor(tmp_path)
    driver = tools / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'GPU-a, 0, NVIDIA L4, 23034, 34'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}/bin:/usr/bin")
    assert "GPU" in environment.doctor(tmp_path)


def test_an_install_that_fails_leaves_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real pip, told to look nowhere."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    lines: list[str] = []
    with pytest.raises(Unavailable, match=r"could not be installed.*install vllm"):
        environment.install(tmp_path, lines.append)
    assert any("Installing vllm" in line for line in lines)
    with pytest.raises(Unavailable, match="not installed"):
        find(tmp_path)
