"""Collections on a Chroma server that many processes share: found, made, tidied, dropped.

Each belongs to one snapshot of one base of one installation, as its name says. SQL is the truth:
what it no longer has is dropped by whoever looks next.
"""

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from core.errors import Unavailable
from rag.chroma_process import ChromaProcess, Stopped
from rag.chroma_rows import ChromaRows

PREFIX = "promptstone"
UPSERT = 1000
# So much of a snapshot may lie beside a collection, and as much of the collection be no longer its.
LAG = 0.02
LOOK_SECONDS = 1.0
# Without growth for so long, the process that makes a collection is taken for dead.
STALLED_SECONDS = 60.0
REACH_SECONDS = 5.0


class Place(NamedTuple):
    """Where the vectors of one snapshot belong."""

    url: str
    installation: str
    base_id: str
    epoch: int
    snapshot: int
    epochs: Callable[[], Mapping[str, int]]
    """Of all bases, as SQL has them now."""

    @property
    def name(self) -> str:
        """Of the collection of this snapshot."""
        base = f"{PREFIX}-{self.installation}-{self.base_id}"
        return f"{base}-{self.epoch}-{self.snapshot}"


class Attached(NamedTuple):
    """The opened collection: its size, and the rows of ours that it may lack."""

    size: int
    beside: NDArray[np.int64]


class _Collection(NamedTuple):
    name: str
    base_id: str
    epoch: int
    snapshot: int


def attach(
    process: ChromaProcess, place: Place, rows: ChromaRows, closed: threading.Event
) -> Attached | None:
    """Open a collection that answers for `rows`, made if there is none; minutes for a large base.

    None when the base has moved on or the server's answers are wrong. Raises Stopped.
    """
    there = list(_collections(process, place.installation))
    epochs = place.epochs()  # after the names, so that a base made meanwhile is known
    kept: list[_Collection] = []
    for found in there:
        if found.epoch < epochs.get(found.base_id, found.epoch + 1):
            process.drop(found.name)
        elif (found.base_id, found.epoch) == (place.base_id, place.epoch):
            kept.append(found)
    if epochs.get(place.base_id) != place.epoch:
        return None
    newest = max(kept, key=lambda found: found.snapshot, default=None)
    joined = _joined(process, newest.name, rows) if newest else None
    return joined or _made(process, place, rows, closed)


def drop_base(url: str, installation: str, base_id: str) -> None:
    """Delete all collections of a base; raises Unavailable when the server does not answer."""
    check(url)
    process = ChromaProcess(url)
    try:
        for found in _collections(process, installation):
            if found.base_id == base_id:
                process.drop(found.name)
    except Stopped:
        raise _silent(url, "its client stopped") from None
    finally:
        process.end()


def check(url: str) -> None:
    """Raise Unavailable unless a Chroma server answers there."""
    place = urlsplit(url)
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=REACH_SECONDS)
    try:
        connection.request("GET", "/api/v2/heartbeat")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise _silent(url, str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if status != http.client.OK:
        raise _silent(url, f"status {status}")


def _silent(url: str, why: str) -> Unavailable:
    return Unavailable(
        f"No Chroma server answers at {url} ({why}). Start it with `chroma run`, or correct or "
        "remove PROMPTSTONE_CHROMA_URL."
    )


def _collections(process: ChromaProcess, installation: str) -> Iterator[_Collection]:
    for name in process.names():
        parts = name.split("-")
        if len(parts) == 5 and parts[:2] == [PREFIX, installation]:
            yield _Collection(name, parts[2], int(parts[3]), int(parts[4]))


def _joined(process: ChromaProcess, name: str, rows: ChromaRows) -> Attached | None:
    """The collection of about these rows; None when it differs too much or does not find them."""
    process.open(name)
    there = process.ids()
    beside = rows.without(there)
    if len(beside) + len(rows.foreign(there)) > LAG * len(rows):
        return None
    return Attached(len(there), beside) if rows.finds(process, rows.known(there)) else None


def _made(
    process: ChromaProcess, place: Place, rows: ChromaRows, closed: threading.Event
) -> Attached | None:
    """The snapshot's own collection, whole; the older ones of its base are dropped then."""
    for _ in range(2):
        if not process.open(place.name).made:
            _await_maker(process, len(rows), closed)
        _fill(process, rows, closed)
        if rows.finds(process, np.arange(len(rows))):
            for found in _collections(process, place.installation):
                if found.base_id == place.base_id and found.snapshot < place.snapshot:
                    process.drop(found.name)
            return Attached(len(rows), np.zeros(0, np.int64))
        process.drop(place.name)
    return None


def _await_maker(process: ChromaProcess, whole: int, closed: threading.Event) -> None:
    """Until another process has made the collection or seems dead."""
    # Of several that wait, one should see that first.
    patience = random.uniform(1, 2) * STALLED_SECONDS
    count, grown = process.count(), time.monotonic()
    while count < whole and time.monotonic() - grown < patience:
        if closed.wait(LOOK_SECONDS):
            raise Stopped
        before, count = count, process.count()
        if count > before:
            grown = time.monotonic()


def _fill(process: ChromaProcess, rows: ChromaRows, closed: threading.Event) -> None:
    there = process.ids()
    if gone := rows.foreign(there):
        process.delete(gone)
    missing = rows.without(there)
    for start in range(0, len(missing), UPSERT):
        if closed.is_set():
            raise Stopped
        rows.upsert(process, missing[start : start + UPSERT])
