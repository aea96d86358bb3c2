"""A job of two processes, as on two GPUs: it learns, stops at one step, and one process goes on."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.training import ROOT, events, told, until, write_job
from tuning.checkpoints import newest_complete
from tuning.owner import trainer_environment
from tuning.spec import Ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def start(python: Path, folder: Path, ranks: int) -> "subprocess.Popen[bytes]":
    """The real program."""
    with (folder / "trainer.log").open("ab") as log:
        return subprocess.Popen(
            [str(python), "-m", "tuning.trainer", str(folder)], stdin=subprocess.PIPE, stdout=log,
            stderr=log, env=trainer_environment(1) | {"PROMPTSTONE_TUNING_RANKS": str(ranks)},
            cwd=ROOT, start_new_session=True,
        )  # fmt: skip


def test_two_processes_are_one_job(trainer_python: Path, tiny: Path, tmp_path: Path) -> None:
    folder = write_job(
        tmp_path / "job", tiny, "sft", {"kind": "lora", "rank": 4}, knobs={"steps": 600}
    )
    job = start(trainer_python, folder, 2)
    until(lambda: len(told(folder, "step")) > 5, 120)
    job.send_signal(signal.SIGTERM)
    assert job.wait(60) == 0, (folder / "trainer.log").read_text()[-2000:]
    (started,) = told(folder, "started")
    assert started.device == "2 × cpu"
    last = events(folder)[-1]
    assert last.event == "checkpoint"
    assert newest_complete(folder / "checkpoints") == folder / "checkpoints" / last.name
    again = start(trainer_python, folder, 1)
    assert again.wait(120) == 0
    assert told(folder, "started")[-1].step == last.step
    ended = events(folder)[-1]
    assert isinstance(ended, Ended)
    assert ended.step == 600
    losses = [event.loss for event in told(folder, "eval")]
    assert losses[-1] < losses[0]
