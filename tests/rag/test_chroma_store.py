"""Chroma's index: damaged files, dead processes and other owners never change an answer."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from rag import chroma_dense
from rag.chroma_dense import FILES, SEAL, ChromaDense
from rag.chroma_process import ChromaProcess, Stopped
from rag.index import IndexRow, build_index
from rag.search import search
from rag.search_settings import SearchSettings
from rag.terms import packed
from rag.vectors import Exact
from tests.support.chroma import COUNT, IDS, MATRIX, WIDTH, unit
from tests.support.depth import DEEP

QUERIES = unit(2, 50)


def tops(dense: ChromaDense | Exact) -> list[list[int]]:
    return [dense.top(query, 10).chunks.tolist() for query in QUERIES]


WANTED = tops(Exact(MATRIX))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chroma") / "base"
    dense = ChromaDense(folder, IDS, MATRIX)
    assert dense.indexed
    assert tops(dense) == WANTED
    dense.close()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "base"))


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    for dense in list(chroma_dense._owners.values()):
        dense.close()


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def zero(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def garble(file: Path) -> None:
    file.write_bytes(random.Random(5).randbytes(file.stat().st_size))


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x40
    file.write_bytes(data)


def remove(file: Path) -> None:
    file.unlink()


DAMAGES = [truncate, empty, zero, garble, flip, remove]
NAMES = [
    "chroma.sqlite3",
    "data_level0.bin",
    "header.bin",
    "length.bin",
    "link_lists.bin",
    "index_metadata.pickle",
]
CASES = [(name, damage) for name in NAMES for damage in DAMAGES]
PLAIN = [case for at, case in enumerate(CASES) if at % 4 == 0] + [("chroma.sqlite3", flip)]


@pytest.mark.parametrize(("name", "damage"), CASES if DEEP else PLAIN)
def test_damaged_files_are_found_and_made_anew(folder: Path, name: str, damage) -> None:
    found = [file for file in (folder / FILES).rglob(name) if file.is_file()]
    if not found:
        pytest.skip(f"Chroma wrote no {name}")
    damage(found[0])
    dense = ChromaDense(folder, IDS, MATRIX)
    assert dense.indexed
    assert tops(dense) == WANTED


def test_files_damaged_with_the_seal_made_to_fit_are_found_by_the_probe(folder: Path) -> None:
    for file in (folder / FILES).rglob("*.bin"):
        garble(file)
    chroma_dense._seal(folder)
    dense = ChromaDense(folder, IDS, MATRIX)
    assert dense.indexed
    assert tops(dense) == WANTED


def test_whole_files_are_used_as_they_are(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what the tests above call a rebuild does not happen to good files."""

    def refuse(*_: object) -> None:
        raise AssertionError("files were written")

    monkeypatch.setattr(ChromaProcess, "upsert", refuse)
    for _ in range(3):
        dense = ChromaDense(folder, IDS, MATRIX)
        assert dense.indexed
        assert tops(dense) == WANTED
        dense.close()


def test_a_changed_base_changes_the_index_by_what_differs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    upsert = ChromaProcess.upsert

    def count(process: ChromaProcess, ids: list[str], vectors: np.ndarray) -> None:
        written.append(len(ids))
        upsert(process, ids, vectors)

    monkeypatch.setattr(ChromaProcess, "upsert", count)
    matrix = MATRIX[100:].copy()
    matrix[:5] = unit(9, 5)
    dense = ChromaDense(folder, IDS[100:], matrix)
    assert dense.indexed
    assert written == [5]
    assert tops(dense) == tops(Exact(matrix))


def test_a_process_killed_between_queries_changes_no_answer(folder: Path) -> None:
    dense = ChromaDense(folder, IDS, MATRIX)
    assert dense.pid is not None
    os.kill(dense.pid, signal.SIGSEGV)
    assert tops(dense) == WANTED
    assert not dense.indexed


def test_a_process_killed_while_it_is_filled_leaves_no_seal(tmp_path: Path) -> None:
    script = (
        "import sys, os, signal, threading; import numpy as np; from pathlib import Path\n"
        "from rag.chroma_dense import ChromaDense\n"
        "from rag.chroma_process import ChromaProcess\n"
        "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "ChromaProcess.query = die\n"
        "m = np.load(sys.argv[2]); ChromaDense(Path(sys.argv[1]), [f'c{i}' for i in range(len(m))], m)"
    )
    np.save(tmp_path / "m.npy", MATRIX)
    command = [sys.executable, "-c", script, str(tmp_path / "base"), str(tmp_path / "m.npy")]
    ended = subprocess.run(command, cwd=Path(chroma_dense.__file__).parents[1], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "base" / SEAL).exists()
    dense = ChromaDense(tmp_path / "base", IDS, MATRIX)
    assert dense.indexed
    assert tops(dense) == WANTED


def test_a_folder_of_another_process_is_left_alone(folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from core.locks import FileLock\n"
        "lock = FileLock(Path(sys.argv[1])); print(lock.try_acquire(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder / "owner.lock")],
        cwd=Path(chroma_dense.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        dense = ChromaDense(folder, IDS, MATRIX)
        assert not dense.indexed
        assert tops(dense) == WANTED
        dense.close()
        other.kill()
    assert ChromaDense(folder, IDS, MATRIX).indexed


def test_within_a_process_the_newest_index_takes_the_folder_over(folder: Path) -> None:
    old = ChromaDense(folder, IDS, MATRIX)
    new = ChromaDense(folder, IDS[:1000], MATRIX[:1000])
    assert (old.indexed, new.indexed) == (False, True)
    assert tops(old) == WANTED
    assert tops(new) == tops(Exact(MATRIX[:1000]))


def test_chroma_that_never_opens_leaves_an_exact_scan(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / FILES).write_text("a file where a folder should be")
    (tmp_path / "base" / SEAL).write_text("{}")
    dense = ChromaDense(tmp_path / "base", IDS, MATRIX)
    assert tops(dense) == WANTED


def test_the_process_listens_nowhere_and_ends_when_closed(folder: Path) -> None:
    dense = ChromaDense(folder, IDS, MATRIX)
    assert dense.pid is not None
    process = psutil.Process(dense.pid)
    assert not process.net_connections("inet")
    assert Path(f"/proc/{dense.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    dense.close()
    assert not psutil.pid_exists(process.pid)


def test_a_process_that_is_gone_says_so(folder: Path) -> None:
    process = ChromaProcess(folder / FILES)
    assert process.open(chroma_dense.COLLECTION) == (COUNT, False)
    process.end()
    with pytest.raises(Stopped):
        process.ids()


@pytest.mark.parametrize("mode", ["hybrid", "dense"])
def test_filtered_searches_of_a_large_base_are_exact(tmp_path: Path, mode: str) -> None:
    texts = [f"word{number % 7} text" for number in range(COUNT)]
    rows = [
        IndexRow(chunk, at % 30, vector.tobytes(), packed(text))
        for at, (chunk, vector, text) in enumerate(zip(IDS, MATRIX, texts, strict=True))
    ]
    large = build_index(rows, WIDTH, home=tmp_path / "base", chroma_from=1000)
    small = build_index(rows, WIDTH, home=tmp_path / "other", chroma_from=COUNT + 1)
    assert isinstance(large.dense, ChromaDense)
    assert isinstance(small.dense, Exact)
    settings = SearchSettings(mode=mode, top_k=10)  # type: ignore[arg-type]
    rng = np.random.default_rng(4)
    for query in QUERIES[:20]:
        allowed = rng.random(30) < rng.random()
        assert [hit.chunk_id for hit in search(large, "word3", query, settings, allowed)] == [
            hit.chunk_id for hit in search(small, "word3", query, settings, allowed)
        ]
    large.close()
    assert not large.dense.indexed
