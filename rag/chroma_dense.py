"""Dense search of a large base: Chroma's HNSW finds candidates, their scores are exact.

Chroma's files are derived from the vectors given here. A seal beside them holds their hashes; when
it is broken or a probe fails, they are made anew, and when that fails too, or Chroma stops, every
search is an exact scan. A filtered search is one always: HNSW under a filter misses neighbours.
"""

import contextlib
import hashlib
import json
import shutil
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.locks import FileLock
from rag.chroma_process import ChromaProcess, Stopped
from rag.chroma_rows import CANDIDATES, ChromaRows, ranked
from rag.vectors import Exact, Mask, Matrix, Ranking

FILES = "chroma"
SEAL = "seal.json"
COLLECTION = "chunks"
UPSERT = 20_000
_owners: "weakref.WeakValueDictionary[Path, ChromaDense]" = weakref.WeakValueDictionary()
_opening = threading.Lock()


class ChromaDense:
    """Chunks of one index, ranked by one Chroma folder that this object owns until closed."""

    def __init__(self, folder: Path, chunk_ids: Sequence[str], matrix: Matrix) -> None:
        """Opens, checks and if need be rebuilds the index; minutes for a million chunks.

        A folder that another process owns is left alone, and searches are exact scans. Within a
        process the newest object takes a folder over, and the one before scans.
        """
        self._folder = folder.resolve()
        self._exact = Exact(matrix)
        self._rows = ChromaRows(chunk_ids, matrix)
        self._lock = FileLock(self._folder / "owner.lock")
        self._process: ChromaProcess | None = None
        with _opening:
            before = _owners.get(self._folder)
            if before is not None:
                before.close()
            self._owned = self._lock.try_acquire()
            if self._owned:
                _owners[self._folder] = self
                self._open()

    @property
    def indexed(self) -> bool:
        """Whether Chroma answers, instead of the exact scan."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Of the process that holds Chroma."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End Chroma and give the folder up; searches go on as exact scans."""
        self._stop()
        if self._owned:
            self._owned = False
            self._lock.release()

    def top(self, query: Matrix, depth: int, among: Mask | None = None) -> Ranking:
        """The `depth` chunks most like the query, of those in `among`; scores are cosines."""
        process = self._process
        if process is None or among is not None:
            return self._exact.top(query, depth, among)
        count = min(depth + CANDIDATES, len(self._rows))
        try:
            names = process.query(query[None, :], count)[0]
        except Stopped:
            names = None
        if names is None or self._rows.foreign(names):
            self._stop()
            return self._exact.top(query, depth)
        return ranked(self._exact, query, self._rows.known(names), depth)

    def scores_of(self, query: Matrix, chunks: NDArray[np.int64]) -> NDArray[np.float32]:
        """The cosine of the query with each of `chunks`."""
        return self._exact.scores_of(query, chunks)

    def _open(self) -> None:
        for attempt in range(2):
            files = self._folder / FILES
            if attempt or not _is_sealed(self._folder):
                shutil.rmtree(files, ignore_errors=True)
            with contextlib.suppress(Stopped, OSError):
                process = ChromaProcess(files)
                try:
                    self._fill(process)
                except BaseException:
                    process.end()
                    raise
                _seal(self._folder)
                self._process = process
                return

    def _fill(self, process: ChromaProcess) -> None:
        """Let the collection hold exactly these chunks, and see that it finds them."""
        there = process.ids() if process.open(COLLECTION).rows else []
        gone, missing = self._rows.foreign(there), self._rows.without(there)
        if gone or len(missing):
            # Without a seal a process killed half-way leaves files that are made anew.
            (self._folder / SEAL).unlink(missing_ok=True)
        if gone:
            process.delete(gone)
        for start in range(0, len(missing), UPSERT):
            self._rows.upsert(process, missing[start : start + UPSERT])
        found = self._rows.finds(process, np.arange(len(self._rows)))
        if not found or len(process.ids()) != len(self._rows):
            raise Stopped

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


def _is_sealed(folder: Path) -> bool:
    try:
        return json.loads((folder / SEAL).read_bytes()) == _hashes(folder / FILES)
    except (OSError, ValueError):
        return False


def _seal(folder: Path) -> None:
    """Chroma writes to its files at each opening, so this is done after it."""
    part = folder / f"{SEAL}.part"
    part.write_text(json.dumps(_hashes(folder / FILES)))
    part.replace(folder / SEAL)


def _hashes(files: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(files.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[path.relative_to(files).as_posix()] = digest
    return found
