"""Trainings and backends share the memory of a machine: simulated GPUs, real promises."""

import subprocess
import sys
import threading
from pathlib import Path

from connectors.backends.gpus import Place
from connectors.backends.holdings import Holding
from connectors.backends.queue import Held
from core.clock import utcnow
from core.database import Database
from tests.support.running import ACTOR
from tuning import jobs
from tuning.manifest import BaseRef, Manifest, RowsRef
from tuning.methods import Knobs, Lora, Sft
from tuning.owner import own_and_run
from tuning.placing import NoRoom, Room, find_room

GIB = 1 << 30
BIG = Place("GPU-a", "NVIDIA H200", 140 * GIB, 139 * GIB)
OTHER = Place("GPU-b", "NVIDIA H200", 140 * GIB, 139 * GIB)
SMALL = Place("GPU-c", "NVIDIA L4", 24 * GIB, 23 * GIB)
CPU = Place("cpu", "CPU", 64 * GIB, 60 * GIB)
ALL = [BIG, OTHER, SMALL, CPU]


def manifest(gib: float, **changes: object) -> Manifest:
    rows = RowsRef(dataset="d", version=1, dataset_hash="", rows=1, hash="")
    given: dict[str, object] = {
        "base": BaseRef(name="b", path="/b", hash=""), "data": rows, "evaluation": None,
        "method": Sft(), "adapter": Lora(), "knobs": Knobs(), "params": {}, "samples": (),
        "code": "1", "memory": int(gib * GIB),
    }  # fmt: skip
    return Manifest.model_validate(given | changes)


def room(data: Path, job: str, wanted: Manifest, places: list[Place]) -> Room | NoRoom:
    return find_room(data, job, wanted, utcnow(), places)


def test_several_gpus_are_several(tmp_path: Path) -> None:
    found = room(tmp_path, "a", manifest(40, gpus=2), ALL)
    assert isinstance(found, Room)
    assert found.visible == "GPU-a,GPU-b"
    beside = room(tmp_path, "b", manifest(110), ALL)
    assert isinstance(beside, NoRoom)
    assert (beside.ever, "110.0 GiB" in beside.why) == (False, True)
    found.holding.end()
    after = room(tmp_path, "b", manifest(110), ALL)
    assert isinstance(after, Room)
    after.holding.end()
    never = room(tmp_path, "c", manifest(40, gpus=3), ALL)
    assert isinstance(never, NoRoom)
    assert never.ever
    assert "3 GPUs, and 2" in never.why


def test_a_kind_is_kept_and_without_gpus_it_lies_in_memory(tmp_path: Path) -> None:
    small = room(tmp_path, "a", manifest(4, gpu="l4"), ALL)
    assert isinstance(small, Room)
    assert small.visible == "GPU-c"
    plain = room(tmp_path, "b", manifest(4, gpu="l4"), [CPU])
    assert isinstance(plain, Room)
    assert (plain.visible, plain.places) == (None, (CPU,))


def test_what_is_used_there_is_not_counted_twice(tmp_path: Path) -> None:
    found = room(tmp_path, "a", manifest(60), [BIG])
    assert isinstance(found, Room)
    used = BIG._replace(free=BIG.free - 60 * GIB)
    assert isinstance(room(tmp_path, "b", manifest(60), [used]), NoRoom), "it may still grow"
    found.is_resident()
    assert isinstance(room(tmp_path, "b", manifest(60), [used]), Room)


def test_a_promise_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from connectors.backends.holdings import Holding\n"
        "from connectors.backends.queue import Held\n"
        "held = Holding(Path(sys.argv[1]), 'x'); held.tell([Held('cpu', 7, False)])\n"
        "print('told', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()
    mine = Holding(tmp_path, "y")
    assert mine.others() == [Held("cpu", 7, False)]
    child.kill()
    child.wait()
    assert mine.others() == []


def job(db: Database, name: str, wanted: Manifest) -> None:
    with db.session_scope(ACTOR) as session:
        jobs.queue(session, jobs.create(session, name, name, wanted))


def status(db: Database, name: str) -> tuple[str, str | None]:
    with db.read_scope() as session:
        found = jobs.get(session, db.settings.data, name)
    return found.status, found.reason


def test_a_job_waits_with_its_reason_and_one_that_never_fits_fails(sqlite_db: Database) -> None:
    db = sqlite_db
    job(db, "waits", manifest(40))
    job(db, "never", manifest(100))
    backend = Holding(db.settings.data, "backends")
    backend.tell([Held("cpu", 30 * GIB, resident=True)])
    for _ in range(2):
        assert own_and_run(db, "waits", threading.Event(), lambda: [CPU]) is None
    said = status(db, "waits")
    assert said[0] == "queued"
    assert said[1] is not None
    assert "waits for 40.0 GiB" in said[1]
    assert own_and_run(db, "never", threading.Event(), lambda: [CPU]) == "failed"
    assert "largest place here has 64.0 GiB" in (status(db, "never")[1] or "")
    backend.end()
    # There is room now, but no trainer's files: it is begun, and says so.
    assert own_and_run(db, "waits", threading.Event(), lambda: [CPU]) == "failed"
    assert Holding(db.settings.data, "mine").others() == []
