"""Works on a tuning job: the trainer as a child in its own environment, watched to its end.

The child is handed a folder and a pipe. It ends when the pipe does, so that nobody's death leaves
an orphan; what it tells stands in its event file, which outlives both.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from connectors.backends import gpus
from connectors.backends.gpus import Place
from core.clock import utcnow
from core.database import Database
from core.errors import LostLease, PromptstoneError
from core.jobs import open_jobs, place, renew
from tuning import environment, events, jobs
from tuning.folders import job_folder
from tuning.jobs import ACTOR, KIND, Owned
from tuning.manifest import Status
from tuning.placing import NoRoom, Room, find_room
from tuning.spec import Ended, Event, Failed, Step

LOOK_SECONDS = 0.5
RENEW_SECONDS = 5.0
STOP_SECONDS = 60.0
"""A trainer that is told to stop finishes its step and saves a checkpoint."""
_PASSED = (
    "PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "TZ",
    "OMP_NUM_THREADS",
)  # fmt: skip
_ROOT = Path(__file__).resolve().parents[1]


def next_job(database: Database) -> str | None:
    """The oldest job that nobody works on, by id."""
    with database.read_scope() as session:
        return next(iter(jobs.waiting(session, database.settings.data)), None)


def own_and_run(
    database: Database,
    job_id: str,
    stop: threading.Event,
    places: Callable[[], list[Place]] = gpus.places,
) -> Status | None:
    """Take a job and train; None when somebody else has it, or its memory is not free yet.

    `stop` leaves it to the next owner.
    """
    data = database.settings.data
    lock = jobs.job_lock(data, job_id)
    if not lock.try_acquire(str(os.getpid())):
        return None
    room: Room | NoRoom | None = None
    try:
        room = _room(database, job_id, places())
        if isinstance(room, NoRoom) and not room.ever:
            with database.session_scope(ACTOR) as session:
                jobs.waits(session, job_id, room.why)
            return None
        with database.session_scope(ACTOR) as session:
            dead = any(one.here for one in open_jobs(session, KIND, data, job_id))
            owned = jobs.take(session, f"{place(data)}:{os.getpid()}", job_id, dead=dead)
        return None if owned is None else _Work(database, owned, stop, room).run()
    except LostLease:
        return None
    finally:
        if isinstance(room, Room):
            room.holding.end()
        lock.release()


def _room(database: Database, job_id: str, places: list[Place]) -> Room | NoRoom:
    with database.read_scope() as session:
        job = jobs.get(session, database.settings.data, job_id)
    return find_room(database.settings.data, job.id, job.manifest, job.created_at, places)


def trainer_environment(threads: int | None = None) -> dict[str, str]:
    """What the trainer sees of ours: no key, no address of a database, no network of models."""
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}
    limited = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    return {**passed, **offline, **quiet, **limited, "PYTHONPATH": str(_ROOT)}


class _End(NamedTuple):
    status: Status
    reason: str | None = None
    again: bool = False


class _Work:
    """One owner's turn at a job."""

    def __init__(
        self, database: Database, owned: Owned, stop: threading.Event, room: Room | NoRoom
    ) -> None:
        self._room = room
        self._database = database
        self._owned = owned
        self._stop = stop
        self._folder = job_folder(database.settings.data, owned.job_id)
        self._place = owned.events
        self._number = owned.numbers
        self._last: Event | None = None
        self._since = time.monotonic()

    def run(self) -> Status:
        """Train to an end, write it, and say which."""
        try:
            end = self._train()
        except LostLease:
            raise
        except PromptstoneError as error:
            end = _End("failed", error.message)
        except OSError as error:
            text = f"The trainer could not be started: {error}. Check the data folder, then resume."
            end = _End("failed", text)
        with self._database.session_scope(ACTOR) as session:
            job = jobs.row(session, self._owned.job_id)
            job.seconds += time.monotonic() - self._since
            session.add(job)
            jobs.leave(session, self._owned.claim, end.status, end.reason, again=end.again)
        return "queued" if end.again else end.status

    def _train(self) -> _End:
        self._take_over()
        if self._owned.ended or isinstance(self._last, Ended):
            return _End("completed")
        if isinstance(self._room, NoRoom):
            return _End("failed", self._room.why)
        python = environment.find(self._database.settings.data)
        with (self._folder / "trainer.log").open("ab") as log:
            log.write(f"-- {utcnow():%Y-%m-%d %H:%M:%S} UTC\n".encode())
            log.flush()
            child = subprocess.Popen(
                [str(python), "-m", "tuning.trainer", str(self._folder)],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self._folder,
                env=self._environment(self._room), start_new_session=True,
            )  # fmt: skip
        try:
            asked = self._watch(child)
        finally:
            _end(child)
        self._take_over()
        return self._judged(child.returncode, asked)

    def _environment(self, room: Room) -> dict[str, str]:
        seen = {} if room.visible is None else {"CUDA_VISIBLE_DEVICES": room.visible}
        return {**trainer_environment(), **seen}

    def _watch(self, child: "subprocess.Popen[bytes]") -> str | None:
        """Follow the child to its end; what it was asked to do, if anything."""
        asked: str | None = None
        told_at = renewed = time.monotonic()
        while child.poll() is None:
            self._take_over()
            now = time.monotonic()
            if now - renewed >= RENEW_SECONDS:
                renewed = now
                with self._database.session_scope(ACTOR) as session:
                    renew(session, self._owned.claim)
            wanted = self._wanted()
            if wanted is not None and wanted != asked:
                asked, told_at = wanted, now
                child.send_signal(signal.SIGKILL if wanted == "cancel" else signal.SIGTERM)
            if asked is not None and now - told_at > STOP_SECONDS:
                child.kill()
            self._pause(child)
        return asked

    def _wanted(self) -> str | None:
        with self._database.read_scope() as session:
            wanted = jobs.row(session, self._owned.job_id).wanted
        return wanted or ("shutdown" if self._stop.is_set() else None)

    def _pause(self, child: "subprocess.Popen[bytes]") -> None:
        try:
            child.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            return

    def _take_over(self) -> None:
        told = events.read(self._folder / "events.jsonl", self._place)
        if told.place == self._place:
            return
        with self._database.session_scope(ACTOR) as session:
            self._number = events.keep(session, self._owned.claim, told, self._number)
        self._place = told.place
        self._last = told.events[-1] if told.events else self._last
        if isinstance(self._room, Room) and any(isinstance(one, Step) for one in told.events):
            self._room.is_resident()

    def _judged(self, code: int, asked: str | None) -> _End:
        if isinstance(self._last, Ended):
            return _End("completed")
        if asked == "cancel":
            return _End("cancelled", "Cancelled.")
        if asked == "shutdown":
            return _End("interrupted", "Its worker was stopped.", again=True)
        if asked == "stop":
            return _End("stopped", "Stopped. `promptstone tune resume` goes on.")
        if isinstance(self._last, Failed):
            return _End("failed", self._last.reason)
        if code < 0:
            return _End("interrupted", _killed(-code))
        text = f"The trainer ended with code {code}. Read `promptstone tune logs`, then resume it."
        return _End("failed", text)


def _killed(number: int) -> str:
    name = signal.strsignal(number) or f"signal {number}"
    why = "; the machine was probably out of memory" if number == signal.SIGKILL else ""
    return f"The trainer was ended ({name}{why}). `promptstone tune resume` goes on."


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Leave nothing of the child's group behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert child.stdin is not None
    child.stdin.close()
