"""A Chroma server that many processes share: it speeds searches up and never changes an answer."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag import chroma_server, chroma_shared
from rag.chroma_process import ChromaProcess, Stopped
from rag.chroma_server import ChromaServed
from rag.chroma_shared import Place
from rag.vectors import Exact, Matrix
from tests.support.chroma import COUNT, IDS, MATRIX, ChromaServer, unit
from tests.support.depth import deep_only

QUERIES = unit(2, 30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    found = ChromaServer(tmp_path_factory.mktemp("chroma"))
    yield found
    found.kill()


@pytest.fixture(scope="module")
def raw(server: ChromaServer) -> Iterator[ChromaProcess]:
    """A client that does what no Promptstone does."""
    process = ChromaProcess(server.url)
    yield process
    process.end()


@pytest.fixture
def opened() -> Iterator[list[ChromaServed]]:
    found: list[ChromaServed] = []
    yield found
    for dense in found:
        dense.close()


def place(server: ChromaServer, base: str, snapshot: int = 1, epoch: int = 0) -> Place:
    return Place(server.url, "HERE", base, epoch, snapshot, lambda: {base: epoch, "other": 0})


def served(
    at: Place, opened: list[ChromaServed], ids: list[str] = IDS, matrix: Matrix = MATRIX
) -> ChromaServed:
    dense = ChromaServed(at, ids, matrix)
    opened.append(dense)
    assert dense.wait(60)
    return dense


def tops(dense: ChromaServed | Exact) -> list[list[int]]:
    return [dense.top(query, 10).chunks.tolist() for query in QUERIES]


WANTED = tops(Exact(MATRIX))


def test_a_collection_is_made_once_and_what_changed_since_is_scanned(
    server: ChromaServer, opened: list[ChromaServed], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = served(place(server, "lag"), opened)
    assert tops(first) == WANTED
    assert first._process is not None
    for name in ("promptstone-HERE-gone-0-1", "promptstone-THERE-gone-0-1", "somebody"):
        first._process.open(name)

    def refuse(*_: object) -> None:
        raise AssertionError("vectors were sent")

    monkeypatch.setattr(ChromaProcess, "upsert", refuse)
    matrix = np.concatenate([MATRIX[10:], unit(9, 10)])
    ids = [*IDS[10:], *(f"new{number}" for number in range(10))]
    newer = served(place(server, "lag", 2), opened, ids, matrix)
    assert tops(newer) == tops(Exact(matrix))
    assert set(first._process.names()) == {
        "promptstone-HERE-lag-0-1", "promptstone-THERE-gone-0-1", "somebody"
    }  # fmt: skip
    assert newer.top(matrix[-1], 1).chunks.tolist() == [COUNT - 1]
    assert (
        newer.top(MATRIX[0], 1).chunks.tolist() == Exact(matrix).top(MATRIX[0], 1).chunks.tolist()
    )


@deep_only
def test_a_snapshot_that_differs_much_takes_the_place_of_the_older(
    server: ChromaServer, raw: ChromaProcess, opened: list[ChromaServed]
) -> None:
    old = served(place(server, "grown"), opened, IDS[:1000], MATRIX[:1000])
    new = served(place(server, "grown", 2), opened)
    assert tops(new) == WANTED
    mine = [name for name in raw.names() if "-grown-" in name]
    assert mine == ["promptstone-HERE-grown-0-2"]
    assert tops(old) == tops(Exact(MATRIX[:1000]))
    assert not old.indexed


@deep_only
def test_wrong_vectors_are_found_and_made_anew(
    server: ChromaServer, raw: ChromaProcess, opened: list[ChromaServed]
) -> None:
    at = place(server, "wrong")
    served(at, opened).close()
    raw.open(at.name)
    raw.upsert(sorted(raw.ids()), unit(7, COUNT))
    assert tops(served(at, opened)) == WANTED


@deep_only
def test_a_half_made_collection_is_waited_for_then_finished(
    server: ChromaServer,
    raw: ChromaProcess,
    opened: list[ChromaServed],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chroma_shared, "STALLED_SECONDS", 0.5)
    monkeypatch.setattr(chroma_shared, "LOOK_SECONDS", 0.1)
    at = place(server, "half")
    rows = chroma_server.ChromaRows(IDS, MATRIX)
    raw.open(at.name)
    raw.upsert(rows.names[:700], MATRIX[:700])
    assert tops(served(at, opened)) == WANTED


@deep_only
def test_two_that_begin_at_once_make_one_collection(
    server: ChromaServer, opened: list[ChromaServed], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    upsert = ChromaProcess.upsert

    def count(process: ChromaProcess, ids: list[str], vectors: np.ndarray) -> None:
        written.append(len(ids))
        upsert(process, ids, vectors)

    monkeypatch.setattr(ChromaProcess, "upsert", count)
    both = [ChromaServed(place(server, "both"), IDS, MATRIX) for _ in range(2)]
    opened += both
    for dense in both:
        assert dense.wait(60)
        assert tops(dense) == WANTED
    assert sum(written) == COUNT


@deep_only
def test_a_base_that_moved_on_makes_nothing(
    server: ChromaServer, raw: ChromaProcess, opened: list[ChromaServed]
) -> None:
    at = place(server, "moved")._replace(epochs=lambda: {"moved": 1})
    dense = ChromaServed(at, IDS, MATRIX)
    opened.append(dense)
    assert not dense.wait(60)
    assert at.name not in raw.names()
    assert tops(dense) == WANTED


@deep_only
def test_a_dead_server_leaves_an_exact_scan_and_is_found_again(
    tmp_path: Path, opened: list[ChromaServed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chroma_server, "AGAIN_SECONDS", 0.0)
    server = ChromaServer(tmp_path)
    try:
        dense = served(place(server, "dies"), opened)
        server.kill()
        assert tops(dense) == WANTED
        assert not dense.indexed
        server.start()
        ends = time.monotonic() + 60
        while not dense.indexed:
            assert time.monotonic() < ends
            assert tops(dense) == WANTED
        assert tops(dense) == WANTED
    finally:
        server.kill()


@deep_only
def test_closing_ends_the_making(server: ChromaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    go_on = threading.Event()

    def slow(*_: object) -> None:
        begun.set()
        go_on.wait(60)
        raise Stopped

    monkeypatch.setattr(ChromaProcess, "upsert", slow)
    dense = ChromaServed(place(server, "closed"), IDS, MATRIX)
    assert begun.wait(60)
    dense.close()
    go_on.set()
    assert not dense.wait(60)
    assert tops(dense) == WANTED
