"""The trainer's environment is found only where it was finished, for this release and Python."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import Unavailable
from tuning import environment


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data folder, and nothing prepared elsewhere."""
    monkeypatch.setattr(environment, "PREPARED", tmp_path / "prepared")
    monkeypatch.delenv(environment.NAMED, raising=False)
    return tmp_path / "data"


def test_nothing_is_found_before_it_is_installed(alone: Path) -> None:
    with pytest.raises(Unavailable, match="promptstone tune install"):
        environment.find(alone)
    half = environment.folder_of(alone)
    (half / "bin").mkdir(parents=True)
    (half / "bin" / "python").symlink_to(sys.executable)
    with pytest.raises(Unavailable, match="not installed"):
        environment.find(alone)


def test_one_of_another_release_is_not_used(alone: Path, trainer_python: Path) -> None:
    marker = json.loads((trainer_python.parents[1] / "promptstone.json").read_text())
    folder = environment.folder_of(alone)
    folder.mkdir(parents=True)
    path = folder / "promptstone.json"
    path.write_text(json.dumps(marker))
    assert environment.find(alone) == folder / "bin" / "python"
    shared = {**marker["shared"], "transformers": "4.0"}
    for other in ({**marker, "lock": "0"}, {**marker, "shared": shared}, [], {"shared": 1}):
        path.write_text(json.dumps(other))
        with pytest.raises(Unavailable, match="another release"):
            environment.find(alone)


def test_a_person_names_another_python(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.NAMED, sys.executable)
    assert environment.find(alone) == Path(sys.executable)
    monkeypatch.setenv(environment.NAMED, str(alone / "none"))
    with pytest.raises(Unavailable, match=environment.NAMED):
        environment.find(alone)


def test_a_package_with_another_hash_breaks_the_install_off(
    alone: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = tmp_path / "tuning.txt"
    lock.write_text("trl==1.16.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(environment, "LOCK", lock)
    with pytest.raises(Unavailable, match="could not be installed"):
        environment.install(alone, lambda line: None)
    with pytest.raises(Unavailable, match="not installed"):
        environment.find(alone)


def test_it_has_the_libraries_and_runs_no_hook(trainer_python: Path) -> None:
    """The path file that shares torch holds paths alone."""
    folder = trainer_python.parents[1]
    if not (folder / "promptstone.json").is_file():
        pytest.skip("named by PROMPTSTONE_TUNING_PYTHON")
    for path in folder.glob("lib/python*/site-packages/*.pth"):
        lines = path.read_text().splitlines()
        assert all(Path(line).is_dir() for line in lines), path.name
    code = "import importlib.metadata as m; print(m.version('trl'), m.version('torch'))"
    done = subprocess.run([str(trainer_python), "-c", code], capture_output=True, text=True)
    assert environment.TORCH in done.stdout
