"""Memory that is promised: backends and trainings of a data folder tell each other of it.

Each holder keeps a lock whose note says what it was promised, so that a promise ends with its
process. Who places something does so under one lock, and counts what all others hold.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from connectors.backends import notes
from connectors.backends.queue import Held
from core.locks import FileLock, holder_note


def _folder(data: Path) -> Path:
    return notes.root(data) / "held"


@contextmanager
def placing(data: Path) -> Iterator[None]:
    """One decision at a time; short."""
    with FileLock(_folder(data) / "placing.lock"):
        yield


class Holding:
    """What one holder was promised; `name` is its own among all of the data folder."""

    def __init__(self, data: Path, name: str) -> None:
        self._data = data
        self._lock = FileLock(_folder(data) / f"{name}.held")
        self._told: tuple[Held, ...] | None = None

    def tell(self, held: Sequence[Held]) -> None:
        """Say what is held now; nothing ends it."""
        if self._told == tuple(held):
            return
        self.end()
        if held:
            note = orjson.dumps([list(one) for one in held]).decode()
            self._told = tuple(held) if self._lock.try_acquire(note) else None

    def end(self) -> None:
        """Nothing is held any more."""
        self._lock.release()
        self._told = None

    def others(self) -> list[Held]:
        """What all others hold."""
        found: list[Held] = []
        for path in sorted(_folder(self._data).glob("*.held")):
            if path != self._lock.path:
                found += _read(holder_note(path))
        return found


def _read(note: str | None) -> list[Held]:
    try:
        return [Held(str(place), int(need), bool(there)) for place, need, there in
                orjson.loads(note or "[]")]  # fmt: skip
    except (ValueError, TypeError):
        return []
