"""A model in a process of its own: asked from any thread, started anew when it was killed."""

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import Unavailable

WORKER = Path(__file__).with_name("embed_worker.py")
START_SECONDS = 180.0
STARTS_PER_CALL = 2
_OURS = Path(__file__).parents[1]
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
Text = str | tuple[str, str]
Spec = Mapping[str, str | int | Sequence[str]]


class Hello(NamedTuple):
    """What a model says of itself: numbers per text, and the tokens of the samples."""

    width: int
    tokens: list[list[str]]


class _Gone(Exception):
    """The process ended before it answered."""


class _Child:
    """One living process; what it was asked and has not answered yet."""

    def __init__(self, spec: Spec) -> None:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(WORKER), str(_OURS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                **environment,
                "HF_HUB_OFFLINE": "1",
                "TRANSFORMERS_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
        )
        self._waiting: dict[int, Future[bytes]] = {0: Future()}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._next = 1
        self._gone = False
        self.hello = self._waiting[0]
        self._write(spec)
        threading.Thread(target=self._read, name="embedder", daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._gone

    def ask(self, texts: Sequence[Text], query: bool) -> bytes:
        """The raw numbers; raises _Gone, or Unavailable with the model's own complaint."""
        answer: Future[bytes] = Future()
        with self._lock:
            if self._gone:
                raise _Gone
            number, self._next = self._next, self._next + 1
            self._waiting[number] = answer
        self._write({"number": number, "texts": list(texts), "query": query})
        return answer.result()

    def raise_complaint(self) -> None:
        """Raise what the model said when it could not be loaded, if it did."""
        if self.hello.done() and isinstance(self.hello.exception(), Unavailable):
            self.hello.result()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def _write(self, value: Mapping[str, object]) -> None:
        body = json.dumps(value).encode()
        assert self.process.stdin is not None
        try:
            with self._writing:
                self.process.stdin.write(struct.pack("<I", len(body)) + body)
                self.process.stdin.flush()
        except OSError:
            pass  # the reader meets the end of the answers and tells everyone

    def _read(self) -> None:
        assert self.process.stdout is not None
        while (answer := _frame(self.process.stdout)) is not None:
            with self._lock:
                waiting = self._waiting.pop(answer.number)
            if answer.good:
                waiting.set_result(answer.body)
            else:
                waiting.set_exception(_complaint(answer.body.decode(errors="replace")))
        self.process.wait()
        with self._lock:
            self._gone = True
            left, self._waiting = list(self._waiting.values()), {}
        for future in left:
            future.set_exception(_Gone())


class _Answer(NamedTuple):
    number: int
    good: bool
    body: bytes


def _frame(source: IO[bytes]) -> _Answer | None:
    head = source.read(9)
    if len(head) < 9:
        return None
    length, number, good = struct.unpack("<II?", head)
    body = source.read(length - 5)
    return _Answer(number, good, body) if len(body) == length - 5 else None


def _complaint(text: str) -> Unavailable:
    return Unavailable(
        f"The embedding model failed: {text}. Check that its folder holds a whole "
        "sentence-transformers model with safetensors, or choose another embedder."
    )


class EmbedProcess:
    """Starts at the first call; shared by all threads of this process."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the living process, None without one."""
        child = self._child
        return child.process.pid if child is not None and child.alive else None

    def start(self) -> None:
        """Begin to load the model, without waiting for it."""
        self._living()

    def hello(self) -> Hello:
        """What the model says of itself; waits until it is loaded. Raises Unavailable."""
        for _ in range(STARTS_PER_CALL):
            try:
                said = json.loads(self._living().hello.result(timeout=START_SECONDS))
                return Hello(said["width"], said["tokens"])
            except _Gone:
                continue
            except TimeoutError:
                break
        raise self._lost()

    def numbers(self, texts: Sequence[Text], *, query: bool = False) -> NDArray[np.float32]:
        """One row a text; a process that was killed is started anew, once. Raises Unavailable."""
        if not texts:
            return np.zeros((0, self.hello().width), np.float32)
        for _ in range(STARTS_PER_CALL):
            child = self._living()
            try:
                raw = child.ask(texts, query)
                return np.frombuffer(raw, "<f4").reshape(len(texts), -1)
            except _Gone:
                child.raise_complaint()
        raise self._lost()

    def close(self) -> None:
        """End the process; calls that wait for it fail."""
        with self._lock:
            self._closed = True
            child, self._child = self._child, None
        if child is not None:
            child.end()

    def _living(self) -> _Child:
        with self._lock:
            if self._closed:
                raise Unavailable("The embedding model was closed. Open the knowledge base again.")
            if self._child is None or not self._child.alive:
                self._child = _Child(self._spec)
            return self._child

    def _lost(self) -> Unavailable:
        return Unavailable(
            "The embedding process was stopped twice, as happens when memory runs out. "
            "Free memory or choose a smaller embedding model, then try again."
        )
