"""Dense search of a large base through a Chroma server that many processes share.

A thread finds or makes a collection. What a newer snapshot has beside it is scanned, so that not
every ingest makes a new one. Until it is whole, and while the server fails, searches are exact
scans; a filtered search is one always.
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rag.chroma_process import ChromaProcess, Stopped
from rag.chroma_rows import CANDIDATES, ChromaRows, ranked
from rag.chroma_shared import Attached, Place, attach
from rag.vectors import Exact, Mask, Matrix, Ranking

log = logging.getLogger(__name__)
AGAIN_SECONDS = 60.0


class _View(NamedTuple):
    process: ChromaProcess
    attached: Attached


class ChromaServed:
    """Chunks of one index, ranked through a collection of a server."""

    def __init__(self, place: Place, chunk_ids: Sequence[str], matrix: Matrix) -> None:
        """Comes back at once; see `wait`."""
        self._place = place
        self._exact = Exact(matrix)
        self._rows = ChromaRows(chunk_ids, matrix)
        self._view: _View | None = None
        self._process: ChromaProcess | None = None
        self._lost = 0.0
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread = self._started()

    @property
    def indexed(self) -> bool:
        """Whether the server answers, instead of the exact scan."""
        return self._view is not None

    def wait(self, seconds: float) -> bool:
        """Until a collection answers or cannot be had; whether one does."""
        self._thread.join(seconds)
        return self.indexed

    def close(self) -> None:
        """Leave the server; searches go on as exact scans."""
        self._closed.set()
        self._lose()

    def top(self, query: Matrix, depth: int, among: Mask | None = None) -> Ranking:
        """The `depth` chunks most like the query, of those in `among`; scores are cosines."""
        rows = None if among is not None else self._found(query, depth)
        if rows is None:
            return self._exact.top(query, depth, among)
        return ranked(self._exact, query, rows, depth)

    def scores_of(self, query: Matrix, chunks: NDArray[np.int64]) -> NDArray[np.float32]:
        """The cosine of the query with each of `chunks`."""
        return self._exact.scores_of(query, chunks)

    def _found(self, query: Matrix, depth: int) -> NDArray[np.int64] | None:
        """Rows among which the best are; None when the server does not tell them."""
        view = self._view
        if view is None:
            self._again()
            return None
        count = min(depth + CANDIDATES, view.attached.size)
        try:
            names = view.process.query(query[None, :], count)[0]
        except Stopped:
            log.warning("The Chroma server at %s stopped answering.", self._place.url)
            self._lose()
            return None
        known = self._rows.known(names)
        # Of what the snapshot no longer has, too much may have come first.
        enough = len(known) >= min(depth, len(self._rows) - len(view.attached.beside))
        return np.union1d(known, view.attached.beside) if enough else None

    def _again(self) -> None:
        """Look for the server once more, now and then."""
        with self._lock:
            waits = self._thread.is_alive() or self._closed.is_set()
            if not waits and time.monotonic() - self._lost > AGAIN_SECONDS:
                self._thread = self._started()

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._work, name="chroma", daemon=True)
        thread.start()
        return thread

    def _work(self) -> None:
        process = ChromaProcess(self._place.url)
        self._process = process
        try:
            if not self._closed.is_set():
                attached = attach(process, self._place, self._rows, self._closed)
                self._view = _View(process, attached) if attached else None
        except Stopped:
            pass
        except Exception:  # nobody waits for this thread
            log.exception("no collection at %s", self._place.url)
        if self._view is None or self._closed.is_set():
            self._lose()

    def _lose(self) -> None:
        self._view = None
        self._lost = time.monotonic()
        process, self._process = self._process, None
        if process is not None:
            process.end()
