"""Evaluators that the administrator wrote: Python files of a folder that nobody else fills."""

import ast
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from core.errors import NotFound

MAX_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_chosen: list[Path] = []


class OwnFile(NamedTuple):
    """`about` is the first line of its docstring; `sha256` tells one version from another."""

    name: str
    about: str
    sha256: str


def use_folder(folder: Path) -> None:
    """What this process takes from now on, as its settings say."""
    _chosen[:] = [folder]


def folder() -> Path:
    """Where the files are."""
    if not _chosen:
        from core.settings import load_settings

        use_folder(load_settings().evaluators)
    return _chosen[0]


def own_files() -> list[OwnFile]:
    """All of them by name; a folder that is not there is empty."""
    try:
        paths = sorted(folder().glob("*.py"))
    except OSError:
        return []
    names = [path.stem for path in paths if _NAME.fullmatch(path.stem)]
    found: list[OwnFile] = []
    for name in names:
        try:
            source = source_of(name)
        except NotFound:
            continue
        found.append(OwnFile(name, _about(source), hash_of(source)))
    return found


def source_of(name: str) -> str:
    """The text of a file; raises NotFound."""
    path = folder() / f"{name}.py"
    try:
        if not _NAME.fullmatch(name) or path.stat().st_size > MAX_BYTES:
            raise OSError
        return path.read_text("utf-8")
    except (OSError, ValueError):
        raise NotFound(
            f"There is no evaluator {name[:64]}.py of at most 1 MiB in the administrator's folder. "
            "Ask the administrator to put it there, or choose another."
        ) from None


def hash_of(source: str) -> str:
    """64 hex digits."""
    return hashlib.sha256(source.encode()).hexdigest()


def _about(source: str) -> str:
    try:
        return (ast.get_docstring(ast.parse(source)) or "").strip().splitlines()[0][:200]
    except (SyntaxError, ValueError, RecursionError, IndexError):
        return ""
