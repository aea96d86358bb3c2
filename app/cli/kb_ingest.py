"""Files into a base: what a path means, following an ingest, working on it where nobody does."""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from app.cli import state
from app.cli.show import print_json, say

if TYPE_CHECKING:
    from rag.ingests import Progress
    from rag.sources import Source

_POLL_SECONDS = 0.2


def sources_of(kb: str, paths: Sequence[Path], form: str) -> "tuple[list[Source], list[str]]":
    """What is read, and the documents whose files are gone from the given folders."""
    from rag.beir import corpus_file
    from rag.service import get
    from rag.sources import Source, find_sources, vanished
    from rag.staging import document_sources

    if form == "beir":
        files = [corpus_file(path).resolve() for path in paths]
        return [Source(file.name, str(file), "") for file in files], []
    sources = find_sources(paths)
    with state.reading() as session:
        known = document_sources(session, get(session, kb).id)
    return sources, vanished(known, sources)


def handed_over(sources: "Sequence[Source]") -> "Sequence[Source]":
    """The files where the worker can read them: one of another folder may be on another machine."""
    from evalsets.runs.worker_note import live_worker, worker_alive
    from rag.uploads import hand_over

    database = state.database()
    data = database.settings.data
    if live_worker(data) is not None or not worker_alive(database):
        return sources
    return hand_over(data, sources)


def follow(ingest_id: str, wait: bool, as_json: bool) -> None:
    """Say what was queued, or wait and show what came of it.

    As with cells of a run, single failures are values; exit 1 when nothing could be taken.
    """
    from evalsets.runs.worker_note import worker_alive

    database = state.database()
    if wait:
        _wait(ingest_id)
    elif not worker_alive(database):
        say(
            "No server runs on this data folder, so the documents stay queued. Start "
            "`promptstone up`, or use --wait."
        )
    progress = _progress(ingest_id)
    if as_json:
        print_json(_document(progress))
    else:
        _print(progress)
    taken = progress.done + progress.unchanged or not progress.failed
    if wait and (progress.state != "completed" or not taken):
        raise typer.Exit(1)


def _progress(ingest_id: str) -> "Progress":
    from rag.ingests import progress

    with state.reading() as session:
        return progress(session, ingest_id)


def _wait(ingest_id: str) -> None:
    from evalsets.runs.worker_note import worker_alive
    from rag.owner import own_and_run

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    bar = threading.Thread(target=_draw, args=(ingest_id, ended := threading.Event()), daemon=True)
    bar.start()
    try:
        while not stop.is_set() and _progress(ingest_id).state in ("queued", "running"):
            if not worker_alive(state.database()):
                own_and_run(state.database(), _first(ingest_id), stop)
            stop.wait(_POLL_SECONDS)
    finally:
        ended.set()
        bar.join()


def _first(ingest_id: str) -> str:
    """Ingests of one base go one after the other: the oldest that waits comes first."""
    from rag.ingests import first_of_base

    with state.reading() as session:
        return first_of_base(session, ingest_id)


def _draw(ingest_id: str, ended: threading.Event) -> None:
    """One line that is drawn over itself, on a terminal only."""
    if not sys.stderr.isatty():
        return
    while not ended.wait(0.5):
        found = _progress(ingest_id)
        text = (
            f"{found.state}  {found.done} documents  {found.chunks} chunks  failed {found.failed}"
        )
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
    sys.stderr.write("\r\x1b[K")


def _document(found: "Progress") -> dict[str, object]:
    return {
        "id": found.id,
        "kb": found.kb,
        "status": found.state,
        "files": found.total,
        "documents": found.done,
        "unchanged": found.unchanged,
        "failed": found.failed,
        "chunks": found.chunks,
        "embedded": found.embedded,
        "seconds": found.seconds,
        "snapshot": found.snapshot,
        "error": found.error,
        "failures": [{"name": one.name, "reason": one.reason} for one in found.failures],
        "vanished": list(found.vanished),
    }


def _print(found: "Progress") -> None:
    for failure in found.failures:
        say(f"{failure.name}: {failure.reason}")
    for name in found.vanished:
        say(f"{name}: its file is gone. `promptstone kb remove {found.kb} {name}` takes it out.")
    if found.error:
        say(found.error)
    at = "" if found.snapshot is None else f", snapshot {found.snapshot}"
    print(
        f"{found.state}: {found.done} documents, {found.unchanged} unchanged, "
        f"{found.failed} failed, {found.chunks} chunks{at}"
    )
