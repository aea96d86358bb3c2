"""Locks between processes that the kernel frees at the holder's death."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType


class FileLock:
    """`flock` on a file: exclusive among processes, and among threads by a mutex beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        self._file: int | None = None

    def __enter__(self) -> "FileLock":
        self._mutex.acquire()
        try:
            self._lock(fcntl.LOCK_EX)
        except BaseException:
            self._mutex.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def try_acquire(self, note: str = "") -> bool:
        """Take the lock if nobody holds it; `note` is written into the file for readers."""
        if not self._mutex.acquire(blocking=False):
            return False
        if not self._lock_within(0.05):
            self._mutex.release()
            return False
        assert self._file is not None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, note.encode(), 0)
        return True

    def release(self) -> None:
        """Free the lock; the file stays, because removing it would split later holders."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._mutex.release()

    def _lock_within(self, seconds: float) -> bool:
        # A reader of the note holds a shared lock for microseconds: one refusal is no answer.
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.005)

    def _lock(self, operation: int) -> None:
        descriptor = self._file if self._file is not None else _open(self.path)
        try:
            fcntl.flock(descriptor, operation)
        except BaseException:
            os.close(descriptor)
            raise
        self._file = descriptor


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def holder_note(path: Path) -> str | None:
    """What the live holder of the lock wrote into it; None when nobody holds it."""
    if not path.exists():
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 4096, 0).decode(errors="replace")
    finally:
        os.close(descriptor)
    return None


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Hold a shared `flock` on `path`: counts as one user until the process ends or leaves."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
