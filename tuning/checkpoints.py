"""Folders that are whole or refused: a marker, written last, holds the sha256 of every file. Pure.

Checkpoints of a job are `checkpoints/STEP/`; its result is `adapter/`, sealed the same way. Only
safetensors, JSON and plain text are known here, and what a file is, is told by its content.
"""

import errno
import hashlib
import io
import json
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

from core.errors import Invalid

MARKER = "complete.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_STEP = re.compile(r"0|[1-9][0-9]{0,11}")
_TEXT = {".jinja", ".txt"}
_MOST_JSON = 256 << 20
_MOST_HEADER = 100_000_000
_READERS = min(8, os.cpu_count() or 1)


class Sealed(NamedTuple):
    """A folder found whole; `hash` is the sha256 over the names and hashes of its files."""

    path: Path
    step: int
    hash: str


class Survey(NamedTuple):
    """What a folder of checkpoints holds: the newest whole one, and why newer ones are not it."""

    newest: Sealed | None
    refused: tuple[str, ...]


def check_file(path: Path, *, links: bool = False) -> None:
    """Refuse what is not a plain safetensors, JSON or text file. Raises Invalid.

    A pickle, an archive or an array under a harmless name is none of them. `links` are followed in
    a folder that a person named, such as one of a cache of models.
    """
    if not stat.S_ISREG((path.stat() if links else path.lstat()).st_mode):
        raise Invalid(f"{path.name} is a link or a device, not a file. Remove it.")
    place = path.resolve() if links else path
    if path.suffix == ".safetensors":
        known = _is_safetensors(place)
    elif path.suffix == ".json":
        known = _is_json(place)
    else:
        known = path.suffix in _TEXT and _is_text(place)
    if not known:
        raise Invalid(
            f"{path.name} is not a safetensors, JSON or text file, and nothing else is read. "
            "Remove it."
        )


def seal(folder: Path, step: int = 0) -> Sealed:
    """Mark `folder` as whole; what it holds is on the disk before the marker is. Raises Invalid."""
    files = _digests(path for path in _files(folder) if path.name != MARKER)
    marker = {"format": 1, "step": step, "files": files}
    part = folder / f"{MARKER}.part"
    with part.open("w", encoding="utf-8") as out:
        json.dump(marker, out, indent=1, sort_keys=True)
        out.flush()
        os.fsync(out.fileno())
    _sync(folder)
    part.replace(folder / MARKER)
    _sync(folder)
    return Sealed(folder, step, _hash(files))


def is_marked(folder: Path) -> bool:
    """Whether the folder claims to be whole; `verify` says whether it is."""
    return (folder / MARKER).is_file() and not folder.is_symlink()


def verify(folder: Path) -> Sealed:
    """Read every file of a sealed folder again. Raises Invalid when it is not what was sealed."""
    step, claimed = _marker(folder)
    found = [path for path in _files(folder) if path.name != MARKER]
    foreign = sorted({path.name for path in found} - claimed.keys())
    missing = sorted(claimed.keys() - {path.name for path in found})
    if foreign:
        raise Invalid(f"{folder.name} holds {foreign[0]}, which we did not write. Remove it.")
    if missing:
        raise Invalid(f"{folder.name} lacks {missing[0]}. Go on from an older checkpoint.")
    files = _digests(found)
    for name, digest in files.items():
        if digest != claimed[name]:
            raise Invalid(
                f"{folder.name}/{name} is not what was written. Go on from an older checkpoint."
            )
    return Sealed(folder, step, _hash(files))


def survey(folder: Path) -> Survey:
    """The newest whole checkpoint below `folder`, and why newer ones are refused."""
    refused: list[str] = []
    for path in _steps(folder):
        if not (path / MARKER).exists():
            refused.append(f"{path.name} was not finished.")
            continue
        try:
            sealed = verify(path)
            if sealed.step != int(path.name):
                raise Invalid(f"{path.name} is marked as step {sealed.step}. Remove it.")
        except Invalid as error:
            refused.append(error.message)
        else:
            return Survey(sealed, tuple(refused))
    return Survey(None, tuple(refused))


def newest_complete(folder: Path) -> Path | None:
    """The newest whole checkpoint below `folder` (`JOB/checkpoints`), or None."""
    newest = survey(folder).newest
    return newest.path if newest else None


def prune(folder: Path, keep: int = 2, steps: Collection[int] = ()) -> None:
    """Remove all checkpoints but the newest `keep` marked ones and those of `steps`."""
    marked = [path for path in _steps(folder) if is_marked(path)]
    wanted = marked[:keep] + [path for path in marked if int(path.name) in steps]
    for path in _steps(folder):
        if path not in wanted:
            # Without its marker first, a kill in between leaves nothing that looks whole.
            (path / MARKER).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)


def _steps(folder: Path) -> list[Path]:
    """Checkpoints, the newest first; a link is none."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    found = [
        path
        for path in folder.iterdir()
        if _STEP.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    ]
    return sorted(found, key=lambda path: int(path.name), reverse=True)


def _files(folder: Path) -> list[Path]:
    if folder.is_symlink() or not folder.is_dir():
        raise Invalid(f"{folder.name} is not a folder of ours. Go on from an older checkpoint.")
    found = sorted(folder.iterdir())
    for path in found:
        if not _NAME.fullmatch(path.name):
            raise Invalid(f"{folder.name} holds a file that we did not write. Remove it.")
        check_file(path)
    return found


def _marker(folder: Path) -> tuple[int, dict[str, str]]:
    try:
        with _opened(folder / MARKER) as file:
            marker = json.loads(file.read(_MOST_JSON))
        step, files = marker["step"], marker["files"]
        if marker["format"] != 1 or not isinstance(step, int) or not isinstance(files, dict):
            raise ValueError
        claimed = cast(dict[object, object], files)
        return step, {str(name): str(digest) for name, digest in claimed.items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Invalid(
            f"{folder.name} is not complete: its marker is missing or unreadable. Go on from an "
            "older checkpoint."
        ) from error


def _digests(files: Iterable[Path]) -> dict[str, str]:
    paths = list(files)
    with ThreadPoolExecutor(_READERS) as pool:
        return dict(zip((path.name for path in paths), pool.map(_digest, paths), strict=True))


def _digest(path: Path) -> str:
    with _opened(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def _hash(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _opened(path: Path) -> io.BufferedReader:
    """A file that is certainly no link, whatever stands there by now."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _sync(folder: Path) -> None:
    """Names last through a power cut only when their folder was written."""
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise


def _is_safetensors(path: Path) -> bool:
    """Eight bytes that count a JSON header of tensors, which ends where the file does."""
    size = path.stat().st_size
    with _opened(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, _MOST_HEADER):
            return False
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError):
            return False
    if not isinstance(header, dict):
        return False
    named = cast(dict[str, Any], header)
    tensors = [value for name, value in named.items() if name != "__metadata__"]
    try:
        ends = [int(tensor["data_offsets"][1]) for tensor in tensors]
    except (KeyError, TypeError, ValueError, IndexError):
        return False
    return size - 8 - length == max(ends, default=0)


def _is_json(path: Path) -> bool:
    if path.stat().st_size > _MOST_JSON:
        return False
    with _opened(path) as file:
        try:
            json.loads(file.read())
        except (ValueError, RecursionError):
            return False
    return True


def _is_text(path: Path) -> bool:
    if path.stat().st_size > _MOST_JSON:
        return False
    with _opened(path) as file:
        data = file.read()
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in data
