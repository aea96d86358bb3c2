"""The trainer's environment, and one process of it for all tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import Unavailable
from tests.connectors.backends.conftest import small_vllm, watched
from tests.support.training import Forks, forks
from tuning import environment

__all__ = ["small_vllm", "watched"]


@pytest.fixture(scope="session")
def trainer_python() -> Path:
    """The trainer's Python, as `make` prepares it."""
    try:
        return environment.find(Path(sys.prefix))
    except Unavailable as error:
        pytest.skip(error.message)


@pytest.fixture(scope="session")
def trainers(trainer_python: Path) -> Iterator[Forks]:
    """Starts jobs quickly."""
    with forks(trainer_python) as process:
        yield process


@pytest.fixture(scope="session")
def tiny(trainers: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of some thousand weights."""
    folder = tmp_path_factory.mktemp("base") / "tiny"
    assert trainers.start(folder, build=True).wait() == 0
    (folder / "trainer.log").unlink()
    return folder
