"""SAFETY U3: annotators lose nothing and nothing is doubled, whenever their process is killed."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sqlmodel import select

from core.database import Database
from evalsets.labels.exporting import export_labels
from evalsets.labels.queue_plan import PlanForm, create_queue
from evalsets.labels.queues import progress, save_item
from evalsets.labels.service import checked
from evalsets.models import Label, QueueItem
from tests.support.depth import DEEP
from tests.support.labeler import word
from tests.support.runs_factory import make_run

KILLS = 200 if DEEP else 20
ROOT = Path(__file__).parents[2]


@contextmanager
def labeler(db: Database, queue: str) -> Iterator[subprocess.Popen[str]]:
    url = db.settings.database_url or ""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.labeler", str(db.settings.data), url, queue],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait(20)


class Shift:
    """What one annotator said before its death."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self.pressed: list[int] = []
        self.saved: list[int] = []
        self.ended = False

    def follow(self, kill_after: int, delay: float) -> None:
        """Read on; `delay` seconds after the `kill_after`-th press send SIGKILL."""
        pid, killer = 0, threading.Timer(0, _kill)
        while (line := self._out.readline().split()) != ["dead"]:
            match line:
                case ["pid", number]:
                    pid = int(number)
                case ["pressed", position]:
                    self.pressed.append(int(position))
                case ["saved", position]:
                    self.saved.append(int(position))
                case ["end"]:
                    self.ended = True
            if pid and len(self.pressed) == kill_after:
                killer = threading.Timer(delay, _kill, (pid,))
                killer.start()
                kill_after = -1
        killer.cancel()

    @property
    def unanswered(self) -> int:
        """The press that no answer came to; -1 when there is none."""
        return self.pressed[-1] if len(self.pressed) > len(self.saved) else -1


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_no_acknowledged_label_is_lost_and_none_doubled(db: Database) -> None:
    labels = KILLS * 6
    with db.session_scope("user:ann") as session:
        run = make_run(session, cases=labels // 2)
        queue = create_queue(session, run, PlanForm(pairs=labels // 2)).id
    chance = random.Random(7)
    acknowledged: list[int] = []
    interrupted, unanswered = 0, -1
    with labeler(db, queue) as process:
        assert process.stdin
        assert process.stdout
        for turn in range(KILLS + 1):
            shift = Shift(process.stdout)
            process.stdin.write(f"{unanswered}\n")
            process.stdin.flush()
            last = turn == KILLS
            shift.follow(-1 if last else chance.randint(1, 6), chance.uniform(0, 0.006))
            acknowledged += shift.saved
            unanswered = shift.unanswered
            interrupted += unanswered >= 0
            with db.read_scope() as session:
                stored = set(session.exec(_positions(queue)))
            assert set(acknowledged) <= stored
        assert shift.ended
    assert interrupted > KILLS // 10  # the kills did hit presses
    _nothing_lost_nothing_doubled(db, run, queue, labels)


def _positions(queue: str):
    return (
        select(QueueItem.position)
        .join(Label, Label.item_key == QueueItem.item_key)  # pyright: ignore
        .where(QueueItem.queue_id == queue)
    )


def _nothing_lost_nothing_doubled(db: Database, run: str, queue: str, labels: int) -> None:
    with db.read_scope() as session:
        assert progress(session, queue) == (labels, labels)
        rows = session.exec(select(Label)).all()
        assert Counter(row.item_key for row in rows).most_common(1)[0][1] == 1
        assert len(rows) == labels == len(list(export_labels(session, run)))
        by_key = {row.item_key: row for row in rows}
        for item in session.exec(select(QueueItem)):
            assert by_key[item.item_key].label == word(item.position)


def test_two_requests_at_once_save_one_label(db: Database) -> None:
    with db.session_scope("user:ann") as session:
        run = make_run(session, cases=10)
        queue = create_queue(session, run).id
    barrier = threading.Barrier(4)

    def press() -> None:
        for position in range(20):
            barrier.wait(20)
            with db.session_scope("user:ann") as session:
                save_item(session, queue, position, checked("good"))

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with db.read_scope() as session:
        assert len(session.exec(select(Label.id)).all()) == 20
