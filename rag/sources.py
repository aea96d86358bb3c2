"""From files and folders that a person names to what an ingest reads, one by one."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from core.errors import Invalid, NotFound
from rag.passages import document_name

MOST_FILES = 100_000


class Source(NamedTuple):
    """A file: what its document will be called, where it is read, the folder it was found in."""

    name: str
    path: str
    root: str


def find_sources(paths: Sequence[Path]) -> list[Source]:
    """Every file given, and every one below a given folder, in a stable order.

    Hidden files and symbolic links inside folders are left out: they lead to what nobody chose.
    Two files of one name are told apart by their folders. Raises NotFound, Invalid.
    """
    found: list[Source] = []
    for path in paths:
        if not path.exists():
            raise NotFound(f"There is no file or folder {str(path)!r}. Check the path.")
        here = path.resolve()
        found += _below(here) if here.is_dir() else [Source(here.name, str(here), "")]
        if len(found) > MOST_FILES:
            raise Invalid(f"These are more than {MOST_FILES:,} files. Add them in parts.")
    if not found:
        raise Invalid("There is no file in what was given. Name files, or folders with files.")
    return _told_apart(list(dict.fromkeys(found)))


def _below(folder: Path) -> Iterator[Source]:
    for root, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            if not name.startswith(".") and not path.is_symlink() and path.is_file():
                yield Source(path.relative_to(folder).as_posix(), str(path), str(folder))


def _told_apart(found: Sequence[Source]) -> list[Source]:
    taken: dict[str, int] = {}
    named: list[Source] = []
    for source in found:
        name = document_name(os.fsencode(source.name).decode("utf-8", "backslashreplace"))
        if name in taken:
            name = document_name(f"{Path(source.path).parent.name}/{name}")
        number = taken[name] = taken.get(name, 0) + 1
        named.append(source._replace(name=name if number == 1 else f"{name} ({number})"))
        taken.setdefault(named[-1].name, 1)
    return named


def vanished(known: Sequence[tuple[str, str]], sources: Sequence[Source]) -> list[str]:
    """Names of documents found in one of these folders before that are no longer there.

    `known`: (name, folder) of the base's documents.
    """
    roots = {source.root for source in sources if source.root}
    names = {source.name for source in sources}
    return sorted(
        name
        for name, root in known
        if root in roots and name not in names and name.partition(".zip/")[0] + ".zip" not in names
    )
