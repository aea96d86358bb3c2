"""What an ingest reads of the files and folders that a person names."""

from pathlib import Path

import pytest

from core.errors import Invalid, NotFound
from rag.passages import MOST_NAME_BYTES, document_name, searched_text
from rag.sources import Source, find_sources, vanished


def test_folders_are_read_whole_in_a_stable_order(tmp_path: Path):
    for name in ("b/two.txt", "a.md", "b/.hidden", ".git/config", "c/deep/three.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.md")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = find_sources([tmp_path])
    assert [source.name for source in found] == ["a.md", "b/two.txt", "c/deep/three.txt"]
    assert {source.root for source in found} == {str(tmp_path)}


def test_a_link_that_a_person_names_is_read(tmp_path: Path):
    (tmp_path / "real.txt").write_text("x")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    (found,) = find_sources([tmp_path / "link.txt"])
    assert found == Source("real.txt", str(tmp_path / "real.txt"), "")


def test_files_of_one_name_are_told_apart(tmp_path: Path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "notes.txt").write_text(folder)
    names = [source.name for source in find_sources(sorted(tmp_path.glob("*/notes.txt")))]
    assert names == ["notes.txt", "two/notes.txt"]


def test_nothing_to_read_is_said(tmp_path: Path):
    with pytest.raises(Invalid, match="no file"):
        find_sources([tmp_path])
    with pytest.raises(NotFound, match="Check the path"):
        find_sources([tmp_path / "missing"])


def test_vanished_files_are_those_of_the_same_folder(tmp_path: Path):
    root = str(tmp_path)
    known = [("a.md", root), ("gone.md", root), ("other.md", "/elsewhere"), ("typed", ""),
             ("bundle.zip/in.txt", root)]  # fmt: skip
    sources = [Source("a.md", f"{root}/a.md", root), Source("bundle.zip", "", root)]
    assert vanished(known, sources) == ["gone.md"]
    assert vanished(known, [Source("a.md", f"{root}/a.md", "")]) == []


def test_names_are_shown_without_acting():
    assert document_name("a\x1b[31m\u202eb.txt") == "a\\x1b[31m\\x202eb.txt"
    assert len(document_name("文" * 2000).encode()) <= MOST_NAME_BYTES
    assert document_name("name \udcff.txt").isprintable()


def test_a_passage_is_searched_under_its_headings():
    assert (
        searched_text("Guide", ["Setup", "Linux"], "Run make.") == "Guide\nSetup\nLinux\nRun make."
    )
    assert searched_text("Guide", ["Setup"], "# Setup\nRun make.") == "Guide\n# Setup\nRun make."
    assert searched_text("", [], "text") == "text"
