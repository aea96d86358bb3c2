"""Files handed from one process to a worker: kept by number until their ingest needs them no more.

A file's name is data and never a path: it stands in the ingest's row, and the file is a UUID below
DATA/uploads. Those that failed wait a day for "retry failed".
"""

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple
from uuid import uuid4

from sqlmodel import Session, col, select

from core.clock import utcnow
from core.errors import Invalid, Unavailable
from rag.models import Ingest, IngestItem
from rag.passages import document_name
from rag.service import LIVE
from rag.sources import MOST_FILES, Source

FOLDER = "uploads"
_RETRY = timedelta(days=1)
_STRAY_SECONDS = 3600.0


class Upload(NamedTuple):
    """A file as the browser names it, `folder/inner/a.pdf` where a folder was chosen."""

    name: str
    data: BinaryIO


def spool(data: Path, files: Sequence[Upload]) -> list[Source]:
    """Write the files into a fresh folder, readable by nobody else.

    Documents are named as `find_sources` names those of a folder; hidden files are left out.
    Raises Invalid when nothing is left, Unavailable when the disk refuses.
    """
    if len(files) > MOST_FILES:
        raise Invalid(f"These are more than {MOST_FILES:,} files. Add them in parts.")
    chosen = [one for one in files if not any(p.startswith(".") for p in _parts(one.name)[1:])]
    if not chosen:
        raise Invalid("There is no file in what was given. Choose files, or a folder with files.")
    folder = data / FOLDER / uuid4().hex
    try:
        folder.mkdir(mode=0o700, parents=True)
        taken: dict[str, int] = {}
        return [_write(folder, one, taken) for one in chosen]
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Unavailable(
            f"The upload cannot be kept ({error.strerror}). Check the space and rights of {data}."
        ) from error


def hand_over(data: Path, sources: Sequence[Source]) -> list[Source]:
    """Copies of files below DATA/uploads, for a worker that sees that folder and not their places.

    Names and folders stay those of the originals. Raises Unavailable when the disk refuses.
    """
    folder = data / FOLDER / uuid4().hex
    try:
        folder.mkdir(mode=0o700, parents=True)
        return [source._replace(path=_copied(folder, Path(source.path))) for source in sources]
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Unavailable(
            f"The files cannot be handed to the worker ({error.strerror}). Check their rights and "
            f"the space and rights of {data / FOLDER}."
        ) from error


def discard(sources: Sequence[Source]) -> None:
    """Remove files that no ingest took."""
    for folder in {Path(source.path).parent for source in sources}:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(session: Session, data: Path) -> None:
    """Remove the files that no live ingest reads and nobody may want to retry."""
    place = data / FOLDER
    if not place.is_dir():
        return
    for folder in place.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another worker sweeps, too
            _sweep(session, folder)


def _sweep(session: Session, folder: Path) -> None:
    wanted, known = _wanted(session, folder)
    if not known and time.time() - folder.stat().st_mtime < _STRAY_SECONDS:
        return  # its ingest is just being written
    if not wanted:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for file in folder.iterdir():
        if str(file) not in wanted:
            file.unlink(missing_ok=True)


def _wanted(session: Session, folder: Path) -> tuple[set[str], bool]:
    """Paths that are still read or may be retried, and whether any ingest knows the folder."""
    query = (
        select(IngestItem.path, IngestItem.state, Ingest.state, Ingest.ended_at)
        .join(Ingest, col(Ingest.id) == col(IngestItem.ingest_id))
        .where(col(IngestItem.path).startswith(f"{folder}/", autoescape=True))
        .order_by(col(Ingest.id))
    )
    last: dict[str, bool] = {}
    for path, state, ingest_state, ended_at in session.exec(query):
        retry = state == "failed" and ended_at is not None and utcnow() - ended_at < _RETRY
        last[path] = ingest_state in LIVE or retry
    return {path for path, needed in last.items() if needed}, bool(last)


def _parts(name: str) -> list[str]:
    """Folder and file names, without what leads upwards."""
    return [part for part in PurePosixPath(name).parts if part not in ("/", ".", "..")]


def _copied(folder: Path, original: Path) -> str:
    with original.open("rb") as source:
        return str(_keep(folder, source))


def _keep(folder: Path, source: BinaryIO) -> Path:
    path = folder / uuid4().hex
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as target:
        shutil.copyfileobj(source, target)
    return path


def _write(folder: Path, file: Upload, taken: dict[str, int]) -> Source:
    path = _keep(folder, file.data)
    top, *inner = _parts(file.name) or ["document"]
    name = document_name("/".join(inner) or top)
    number = taken[name] = taken.get(name, 0) + 1
    named = name if number == 1 else f"{name} ({number})"
    return Source(named, str(path), f"upload:{top}" if inner else "")
