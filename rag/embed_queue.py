"""What the embedding process has to do, most urgent first, and how it is asked and answers."""

import heapq
import json
import struct
import threading
from typing import Any, BinaryIO, Protocol

import numpy as np

Texts = list[Any]
Numbers = Any


class Model(Protocol):
    """`batch` texts go into one call; `callers` calls run at once; `run` gives (texts, width)."""

    width: int
    batch: int
    callers: int

    def run(self, texts: Texts, query: bool) -> Numbers: ...
    def tokens(self, text: str) -> list[str]: ...


class Job:
    """One request on its way: texts still to do, longest first, and where the numbers go."""

    def __init__(self, number: int, texts: Texts, query: bool, width: int) -> None:
        self.number = number
        self.texts = texts
        self.query = query
        self.numbers = np.zeros((len(texts), width), np.float32)
        self.todo = sorted(range(len(texts)), key=lambda at: -len(texts[at]))
        self.open = len(texts)
        self.error = ""

    def take(self, count: int) -> list[int]:
        taken, self.todo = self.todo[:count], self.todo[count:]
        return taken


class Work:
    """Jobs by urgency; threads take a batch at a time, so that a query waits for one batch only."""

    def __init__(self, model: Model, out: BinaryIO) -> None:
        self._model = model
        self._out = out
        self._jobs: list[tuple[bool, int, Job]] = []
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        for _ in range(model.callers):
            threading.Thread(target=self._serve, daemon=True).start()

    def add(self, job: Job) -> None:
        if not job.texts:
            self._answer(job)
            return
        with self._changed:
            heapq.heappush(self._jobs, (not job.query, job.number, job))
            self._changed.notify_all()

    def _serve(self) -> None:
        while True:
            job, places = self._next()
            try:
                job.numbers[places] = self._model.run([job.texts[at] for at in places], job.query)
            except Exception as error:
                job.error = f"{type(error).__name__}: {error}"[:500]
            with self._changed:
                job.open -= len(places)
                done = job.open == 0
            if done:
                self._answer(job)

    def _next(self) -> tuple[Job, list[int]]:
        with self._changed:
            while not self._jobs:
                self._changed.wait()
            job = self._jobs[0][2]
            places = job.take(self._model.batch)
            if not job.todo:
                heapq.heappop(self._jobs)
            return job, places

    def _answer(self, job: Job) -> None:
        good = not job.error
        body = job.numbers.astype("<f4").tobytes() if good else job.error.encode()
        with self._writing:
            send(self._out, job.number, good, body)


def send(out: BinaryIO, number: int, good: bool, body: bytes) -> None:
    out.write(struct.pack("<II?", 5 + len(body), number, good))
    out.write(body)
    out.flush()


def read_frame(source: BinaryIO) -> Any:
    head = source.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack("<I", head)
    body = source.read(length)
    return json.loads(body) if len(body) == length else None
