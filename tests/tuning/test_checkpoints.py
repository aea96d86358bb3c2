"""A checkpoint is whole or it is none; nothing but safetensors, JSON and text counts as a file."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.errors import Invalid
from tuning.checkpoints import MARKER, newest_complete, prune, seal, survey, verify


def tensors(data: bytes = b"\0\0\x80\x3f") -> bytes:
    """A safetensors file with one float32 row."""
    info = {"w": {"dtype": "F32", "shape": [len(data) // 4], "data_offsets": [0, len(data)]}}
    header = json.dumps(info).encode()
    return struct.pack("<Q", len(header)) + header + data


def checkpoint(folder: Path, step: int) -> Path:
    """An unsealed checkpoint."""
    path = folder / str(step)
    path.mkdir(parents=True)
    (path / "adapter_model.safetensors").write_bytes(tensors())
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return path


def test_the_newest_whole_one_counts(tmp_path: Path) -> None:
    for step in (5, 10, 100):
        seal(checkpoint(tmp_path, step), step)
    checkpoint(tmp_path, 200)
    (tmp_path / "soon").mkdir()
    assert newest_complete(tmp_path) == tmp_path / "100"
    assert survey(tmp_path).refused == ("200 was not finished.",)
    assert newest_complete(tmp_path / "none") is None


def test_equal_content_has_an_equal_hash(tmp_path: Path) -> None:
    first = seal(checkpoint(tmp_path / "a", 1), 1)
    second = seal(checkpoint(tmp_path / "b", 1), 1)
    assert first.hash == second.hash == verify(second.path).hash
    (second.path / "trainer_state.json").write_text("{}")
    (second.path / MARKER).unlink()
    assert seal(second.path, 1).hash != first.hash


def change(path: Path) -> None:
    with (path / "adapter_model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x40")


def lose(path: Path) -> None:
    (path / "trainer_state.json").unlink()


def plant(path: Path) -> None:
    (path / "rng_state.pth").write_bytes(pickle.dumps({"python": 1}))


def plant_json(path: Path) -> None:
    (path / "more.json").write_text("{}")


def link(path: Path) -> None:
    state = path / "trainer_state.json"
    other = path.parent / "elsewhere.json"
    state.rename(other)
    state.symlink_to(other)


def nest(path: Path) -> None:
    (path / "deeper").mkdir()


def garble(path: Path) -> None:
    (path / MARKER).write_text('{"format": 1, "step"')


def lie(path: Path) -> None:
    marker = json.loads((path / MARKER).read_text())
    (path / MARKER).write_text(json.dumps({**marker, "step": 3}))


@pytest.mark.parametrize("harm", [change, lose, plant, plant_json, link, nest, garble, lie])
def test_a_checkpoint_that_was_touched_is_passed_over(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    older, newer = checkpoint(tmp_path, 1), checkpoint(tmp_path, 2)
    seal(older, 1)
    seal(newer, 2)
    assert newest_complete(tmp_path) == newer
    harm(newer)
    found = survey(tmp_path)
    assert found.newest is not None
    assert found.newest.path == older
    assert len(found.refused) == 1


def test_a_link_to_a_checkpoint_is_none(tmp_path: Path) -> None:
    seal(checkpoint(tmp_path / "other", 7), 7)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "7").symlink_to(tmp_path / "other" / "7")
    assert newest_complete(tmp_path / "mine") is None
    with pytest.raises(Invalid):
        verify(tmp_path / "mine" / "7")


class Harm:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch executed",)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Harm()))
    return out.getvalue()


def array() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([Harm()], dtype=object), allow_pickle=True)
    return out.getvalue()


DISGUISES = {
    "pickle": pickle.dumps(Harm()),
    "old pickle": pickle.dumps(Harm(), protocol=0),
    "zip": zipped(),
    "array": array(),
    "header of nothing": struct.pack("<Q", 1 << 40) + b"{}",
    "a tail behind the tensors": tensors() + pickle.dumps(Harm()),
    "empty": b"",
}


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "rng_state.pth", "x.bin"])
@pytest.mark.parametrize("content", DISGUISES.values(), ids=DISGUISES)
def test_no_disguise_is_sealed(tmp_path: Path, name: str, content: bytes) -> None:
    path = checkpoint(tmp_path, 1)
    (path / name).write_bytes(content)
    with pytest.raises(Invalid, match="Remove it"):
        seal(path, 1)
    assert newest_complete(tmp_path) is None


def test_a_kill_while_sealing_leaves_no_marker(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 1)
    (path / f"{MARKER}.part").write_text('{"format": 1')
    assert newest_complete(tmp_path) is None


def test_pruning_keeps_the_newest(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        seal(checkpoint(tmp_path, step), step)
    checkpoint(tmp_path, 5)
    prune(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "4"]
    assert newest_complete(tmp_path) == tmp_path / "4"
