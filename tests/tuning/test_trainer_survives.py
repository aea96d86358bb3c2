"""A trainer that is stopped, killed or left alone: nothing half is resumed from, nobody is left."""

import os
import pickle
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.support.depth import DEEP
from tests.support.training import ROOT, Forks, events, told, until, write_job
from tests.tuning.test_trainer import Harm
from tuning.checkpoints import newest_complete
from tuning.owner import trainer_environment
from tuning.spec import Ended

KILLS = 50 if DEEP else 4
LORA = {"kind": "lora", "rank": 4, "dropout": 0.1}
KNOBS = {"epochs": 2 * KILLS, "seed": 3}


@pytest.fixture(scope="module")
def undisturbed(
    trainers: Forks, tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, float]:
    """The loss of each step of a job that nobody touched."""
    folder = write_job(tmp_path_factory.mktemp("whole") / "job", tiny, "sft", LORA, knobs=KNOBS)
    assert trainers.run(folder) == 0
    return {event.step: event.loss for event in told(folder, "step")}


def check_whole(folder: Path, undisturbed: dict[int, float]) -> None:
    """It ended as the undisturbed job did, step for step."""
    assert isinstance(events(folder)[-1], Ended)
    seen = {event.step: event.loss for event in told(folder, "step")}
    assert seen.keys() == undisturbed.keys()
    assert seen == pytest.approx(undisturbed, rel=0.01)
    assert not (folder / "executed").exists()


def test_a_stop_is_resumed_as_if_it_had_not_been(
    trainers: Forks, tiny: Path, tmp_path: Path, undisturbed: dict[int, float]
) -> None:
    folder = write_job(tmp_path / "job", tiny, "sft", LORA, knobs=KNOBS, checkpoint_every=100)
    for stop in (5, 17):
        job = trainers.start(folder)
        until(lambda step=stop: any(event.step >= step for event in told(folder, "step")))
        job.signal(signal.SIGTERM)
        assert job.wait() == 0, job.log()
        last = events(folder)[-1]
        assert last.event == "checkpoint"
        assert newest_complete(folder / "checkpoints") == folder / "checkpoints" / last.name
    assert trainers.run(folder) == 0
    assert len(told(folder, "started")) == 3
    check_whole(folder, undisturbed)


def test_kills_while_it_saves_lose_one_interval_at_most(
    trainers: Forks, tiny: Path, tmp_path: Path, undisturbed: dict[int, float]
) -> None:
    """A checkpoint after each step takes most of the time, so most kills hit one half written."""
    folder = write_job(tmp_path / "job", tiny, "sft", LORA, knobs=KNOBS, checkpoint_every=1)
    moments = random.Random(7)
    for _ in range(KILLS):
        heard = len(events(folder))
        job = trainers.start(folder)
        until(lambda so_far=heard: len(events(folder)) > so_far + 1)
        before = newest_complete(folder / "checkpoints")
        time.sleep(moments.uniform(0, 0.03))
        job.signal(signal.SIGKILL)
        assert job.wait() == -signal.SIGKILL
        kept = newest_complete(folder / "checkpoints")
        steps = max((event.step for event in told(folder, "step")), default=0)
        assert int(kept.name if kept else 0) >= steps - 1
        assert int(kept.name if kept else 0) >= int(before.name if before else 0)
    assert trainers.run(folder) == 0
    starts = [event.step for event in told(folder, "started")]
    assert starts == sorted(starts)
    check_whole(folder, undisturbed)


def test_a_foreign_pickle_in_a_checkpoint_refuses_it(
    trainers: Forks, tiny: Path, tmp_path: Path, undisturbed: dict[int, float]
) -> None:
    folder = write_job(tmp_path / "job", tiny, "sft", LORA, knobs=KNOBS, checkpoint_every=3)
    job = trainers.start(folder)
    until(lambda: len(told(folder, "checkpoint")) >= 2)
    job.signal(signal.SIGTERM)
    job.wait()
    newest = newest_complete(folder / "checkpoints")
    assert newest is not None
    harm = pickle.dumps(Harm(folder / "executed"))
    (newest / "rng_state.pth").write_bytes(harm)
    (newest / "optimizer.pt").write_bytes(harm)
    older = newest_complete(folder / "checkpoints")
    assert older is not None
    assert trainers.run(folder) == 0
    assert told(folder, "started")[-1].step == int(older.name) < int(newest.name)
    check_whole(folder, undisturbed)


def test_it_ends_with_its_supervisor(trainers: Forks, tiny: Path, tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", tiny, "sft", LORA, knobs={"steps": 100_000})
    job = trainers.start(folder)
    until(lambda: told(folder, "step"))
    job.hang_up()
    assert job.wait(5) == -signal.SIGKILL


def test_it_ends_with_its_supervisor_while_it_starts(
    trainer_python: Path, tiny: Path, tmp_path: Path
) -> None:
    """The real program, before its libraries are imported; its children end with it."""
    folder = write_job(tmp_path / "job", tiny, "sft", LORA)
    process = subprocess.Popen(
        [str(trainer_python), "-m", "tuning.trainer", str(folder)], stdin=subprocess.PIPE,
        env=trainer_environment(1) | {"PROMPTSTONE_TUNING_RANKS": "2"}, cwd=ROOT,
        start_new_session=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    one = psutil.Process(process.pid)
    until(lambda: len(one.children()) == 2)
    ranks = one.children()
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(5) == -signal.SIGKILL
    until(lambda: not any(_lives(rank) for rank in ranks), 5)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="needs a small disk")
def test_a_full_disk_is_said_and_the_last_checkpoint_is_good(
    trainers: Forks, tiny: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)])
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        folder = write_job(
            disk / "job", tiny, "sft", {"kind": "full"}, knobs={"steps": 1000}, checkpoint_every=1
        )
        job = trainers.start(folder)
        until(lambda: len(told(folder, "checkpoint")) >= 2)
        with (disk / "filler").open("wb") as filler, pytest.raises(OSError):
            while True:
                filler.write(b"\0" * 65536)
                filler.flush()
        assert job.wait() == 1
        assert newest_complete(folder / "checkpoints") is not None
        assert "The disk is full" in job.log() or "disk is full" in str(events(folder)[-1])
        (disk / "filler").unlink()
        again = trainers.start(folder)
        until(lambda: len(told(folder, "started")) == 2)
        assert told(folder, "started")[-1].step >= 2
        again.signal(signal.SIGKILL)
        again.wait()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
