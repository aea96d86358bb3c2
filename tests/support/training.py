"""Tuning jobs of a tiny model: their files, their processes, what they told."""

import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tuning.owner import trainer_environment
from tuning.spec import Event

ROOT = Path(__file__).parents[2]
_events: TypeAdapter[Event] = TypeAdapter(Event)


def asked(number: int) -> list[dict[str, str]]:
    """A prompt."""
    return [{"role": "user", "content": f"what is item {number}?"}]


def said(text: str) -> list[dict[str, str]]:
    """An answer."""
    return [{"role": "assistant", "content": text}]


ROWS: dict[str, list[dict[str, Any]]] = {
    "sft": [{"messages": asked(n) + said(f"zebra {n}")} for n in range(16)],
    "dpo": [
        {"prompt": asked(n), "chosen": said(f"zebra {n}"), "rejected": said(f"no idea {n}")}
        for n in range(16)
    ],
    "kto": [
        {"prompt": asked(n), "completion": said(f"zebra {n}"), "label": n % 2 == 0}
        for n in range(16)
    ],
}
ROWS["reward"] = ROWS["dpo"]


def write_job(
    folder: Path, model: Path, method: str, adapter: dict[str, Any], **changes: Any
) -> Path:
    """A job's folder with spec and rows; `changes` are fields of the spec."""
    folder.mkdir(parents=True)
    rows = "".join(json.dumps(row) + "\n" for row in changes.pop("rows", ROWS[method])).encode()
    held_out = "".join(json.dumps(row) + "\n" for row in ROWS[method][:4]).encode()
    (folder / "rows.jsonl").write_bytes(rows)
    (folder / "eval.jsonl").write_bytes(held_out)
    knobs = {"learning_rate": 0.02, "epochs": 2, "batch": 4, "max_length": 128}
    spec = {
        "job": folder.name, "base": str(model), "method": {"kind": method}, "adapter": adapter,
        "knobs": knobs | changes.pop("knobs", {}), "rows_hash": hashlib.sha256(rows).hexdigest(),
        "eval_hash": hashlib.sha256(held_out).hexdigest(), "checkpoint_every": 4,
        "evaluate_every": 4,
    }  # fmt: skip
    (folder / "spec.json").write_text(json.dumps(spec | changes))
    return folder


def events(folder: Path) -> list[Event]:
    """What a job told so far: every whole line is an event."""
    path = folder / "events.jsonl"
    data = path.read_bytes() if path.exists() else b""
    return [_events.validate_json(line) for line in data.split(b"\n")[:-1] if line.strip()]


def told(folder: Path, kind: str) -> list[Any]:
    """Events of one kind."""
    return [event for event in events(folder) if event.event == kind]


def until(
    true: Callable[[], object], seconds: float = 60.0, what: str = "it did not happen"
) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Trainer:
    """A job under way; its stdin is held open until `hang_up`."""

    def __init__(self, folder: Path, pid: int, stdin: int, ended: Callable[[], int | None]) -> None:
        self.folder = folder
        self.pid = pid
        self._stdin = stdin
        self._ended = ended

    def wait(self, seconds: float = 60.0) -> int:
        """Its exit code."""
        until(lambda: self._ended() is not None, seconds, self.log())
        self.hang_up()
        code = self._ended()
        assert code is not None
        return code

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Let its stdin end, as the death of its supervisor does."""
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    def log(self) -> str:
        """What it printed."""
        path = self.folder / "trainer.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else "no log"


class Forks:
    """Starts jobs as forks of one process that has imported the libraries."""

    def __init__(self, python: Path) -> None:
        env = trainer_environment(1) | {"PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [str(python), str(ROOT / "tests" / "support" / "trainer_forks.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT,
        )  # fmt: skip
        self._pids: dict[int, int] = {}
        self._codes: dict[int, int] = {}
        self._number = 0
        self._ready = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.startswith("{"):
                continue
            heard = json.loads(line)
            if "code" in heard:
                self._codes[heard["pid"]] = heard["code"]
            elif "number" in heard:
                self._pids[heard["number"]] = heard["pid"]
            else:
                self._ready.set()

    def start(
        self, folder: Path, *, build: bool = False, module: str = "tuning.trainer.__main__"
    ) -> Trainer:
        """Start the job of `folder`, or another module of it, or build the tiny model there."""
        assert self._ready.wait(120), "the trainer's libraries were not imported"
        self._number += 1
        number = self._number
        folder.mkdir(parents=True, exist_ok=True)
        fifo = folder.parent / f"stdin-{number}"
        os.mkfifo(fifo)
        # Opened for both ways, so that neither side waits for the other.
        stdin = os.open(fifo, os.O_RDWR)
        order = {"number": number, "folder": str(folder), "stdin": str(fifo), "build": build}
        order |= {"log": str(folder / "trainer.log"), "module": module}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        until(lambda: number in self._pids)
        pid = self._pids[number]
        return Trainer(folder, pid, stdin, lambda: self._codes.get(pid))

    def run(
        self, folder: Path, seconds: float = 60.0, *, module: str = "tuning.trainer.__main__"
    ) -> int:
        """Start a job and wait for its end; the exit code."""
        return self.start(folder, module=module).wait(seconds)

    def close(self) -> None:
        """End the process and the jobs that are left."""
        for pid in set(self._pids.values()) - self._codes.keys():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()


@contextmanager
def forks(python: Path) -> Iterator[Forks]:
    """The process, for as long as it is needed."""
    process = Forks(python)
    try:
        yield process
    finally:
        process.close()
