"""The files that a configuration may name: those in its own folder, and no other."""

import stat
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Protocol

from core.errors import Invalid, TooLarge

MAX_FILE = 16 << 20
MAX_TOTAL = 128 << 20
MAX_FILES = 2_000


class Files(Protocol):
    """Files by their paths relative to the configuration."""

    def read(self, path: str) -> bytes:
        """The bytes of a file; raises Invalid or TooLarge with the reason."""
        ...

    def matching(self, pattern: str) -> list[str]:
        """Paths that fit a pattern with `*`, `**` or `?`, in order."""
        ...


class Folder:
    """A folder of this machine; nothing outside of it is opened, whatever a path or link says."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._bytes = self._opened = 0

    def read(self, path: str) -> bytes:
        """Also counts what was read, so that a configuration cannot name files without end."""
        inside = (self._root / checked(path)).resolve()
        if not inside.is_relative_to(self._root):
            raise Invalid(f"{path} leads out of the folder. Put the file itself into it.")
        try:
            with inside.open("rb") as file:
                if not stat.S_ISREG(inside.stat().st_mode):
                    raise Invalid(f"{path} is no file. Name a file.")
                data = file.read(MAX_FILE + 1)
        except OSError as error:
            raise Invalid(f"{path} cannot be read: {error.strerror}. Add the file.") from None
        self._opened += 1
        self._bytes += len(data)
        if len(data) > MAX_FILE:
            raise TooLarge(f"{path} has more than 16 MiB. Shorten it.")
        if self._opened > MAX_FILES or self._bytes > MAX_TOTAL:
            raise TooLarge("The configuration names more than 2,000 files or 128 MiB. Split it.")
        return data

    def matching(self, pattern: str) -> list[str]:
        """Like the shell's, without hidden files; at most 2,000."""
        found: list[str] = []
        for path in self._root.glob(checked(pattern)):
            relative = path.relative_to(self._root)
            if path.is_file() and not any(part.startswith(".") for part in relative.parts):
                found.append(relative.as_posix())
            if len(found) > MAX_FILES:
                raise TooLarge(f"{pattern} fits more than 2,000 files. Name fewer.")
        return sorted(found)


class Given:
    """Files that a person uploaded together, by their names."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)

    def read(self, path: str) -> bytes:
        """The file of that path, or else of that name."""
        wanted = checked(path)
        found = self._files.get(wanted, self._files.get(PurePosixPath(wanted).name))
        if found is None:
            raise Invalid(f"{path} was not given. Choose it together with the configuration.")
        return found

    def matching(self, pattern: str) -> list[str]:
        """Names that fit the last part of the pattern."""
        wanted = checked(pattern)
        last = PurePosixPath(wanted).name
        return sorted(name for name in self._files if fnmatch(name, wanted) or fnmatch(name, last))


def checked(path: str) -> str:
    """A relative path without `..`; raises Invalid for any other."""
    text = path.replace("\\", "/")
    parts = PurePosixPath(text).parts
    absolute = text.startswith(("/", "~")) or (len(text) > 1 and text[1] == ":")
    if absolute or ".." in parts or "\x00" in text or not parts:
        raise Invalid(
            f"{path[:200]!r} leads out of the configuration's folder, where nothing is read. "
            "Put the file into the folder and name it from there."
        )
    return str(PurePosixPath(text))
