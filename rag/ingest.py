"""The work of an ingest: read, cut, embed and stage, then show everything as one snapshot.

Reading and cutting go on in a thread while what was cut is embedded in a process of its own; what
is embedded is committed in groups, so that a killed ingest goes on where it was.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.database import Database
from core.errors import LostLease, PromptstoneError
from core.jobs import Claim, renew
from rag import ingests
from rag.embedders import Embedder
from rag.intake import Arrived, Intake
from rag.models import Ingest, KnowledgeBase
from rag.opening import open_for
from rag.parser_settings import check_parser
from rag.prepare import Prepared, Recipe, read_recipe
from rag.staging import (
    ItemEnd,
    MetaChange,
    Totals,
    discard,
    missing_vectors,
    publish_ingest,
    set_metas,
    stage,
    store_vectors,
)

ACTOR = "worker"
GROUP_CHUNKS = 256
EMBEDDED_AT_ONCE = 64
"""Committed as they are made, about once a second: that much is embedded again after a kill."""
_AHEAD = 4
_BEAT_SECONDS = 5.0
_LOOK_SECONDS = 1.0


class Stopped(NamedTuple):
    """How an ingest's owner leaves it."""

    state: str
    error: str | None = None


@dataclass
class _Group:
    """What is embedded and committed together."""

    documents: list[Prepared] = field(default_factory=list[Prepared])
    ends: list[ItemEnd] = field(default_factory=list[ItemEnd])
    metas: list[MetaChange] = field(default_factory=list[MetaChange])
    totals: Totals = field(default_factory=Totals)
    chunks: int = 0

    def add(self, arrived: Arrived) -> None:
        """Count what one file gave."""
        self.documents += arrived.documents
        self.ends += arrived.ends
        self.metas += arrived.metas
        here = sum(len(document.passages) for document in arrived.documents)
        self.chunks += here
        failed = sum(1 for end in arrived.ends if end.state == "failed")
        self.totals = Totals(
            self.totals.done + len(arrived.documents),
            self.totals.unchanged + arrived.unchanged,
            self.totals.failed + failed,
            self.totals.chunks + here,
        )


def run_ingest(
    database: Database, held: Claim, stop: threading.Event, embedder: Embedder | None = None
) -> Stopped:
    """Work on an ingest until it ends or `stop` is set; its end is written, then returned.

    `embedder` saves opening one. Raises LostLease, with nothing more written, when another owner
    has taken the ingest over.
    """
    try:
        end = _Work(database, held, stop, embedder).run()
    except LostLease:
        raise
    except PromptstoneError as error:
        end = Stopped("failed", error.message)
    except Exception as error:
        cause = (str(error).splitlines() or [""])[0][:300]
        end = Stopped("failed", f"{type(error).__name__}: {cause}. Add the files again to go on.")
    with database.session_scope(ACTOR) as session:
        if end.state != "queued":
            discard(session, held)
        ingests.settle(session, held, end.state, end.error)
    return end


class _Work:
    def __init__(
        self, database: Database, held: Claim, stop: threading.Event, embedder: Embedder | None
    ) -> None:
        self._database = database
        self._held = held
        self._stop = stop
        self._cancelled = False
        self._looked = time.monotonic()
        self._began = time.monotonic()
        self._given = embedder
        with database.read_scope() as session:
            self._ingest = session.get_one(Ingest, held.ref)
            base = session.get_one(KnowledgeBase, self._ingest.base_id)
        self._before = self._ingest.seconds
        planned: dict[str, Any] = {
            "embedder": base.embedder,
            "fingerprint": base.fingerprint,
            "chunker": base.chunker,
            "cleaning": base.cleaning,
            **self._ingest.settings,
        }
        self._base_id = base.id
        self._recipe: Recipe = read_recipe(
            planned["chunker"], planned["cleaning"], planned.get("parser")
        )
        self._fingerprint: str = planned["fingerprint"]
        self._embedder_settings: dict[str, Any] = planned["embedder"]

    def run(self) -> Stopped:
        check_parser(self._recipe.parser)
        with self._embedding() as embedder, self._heart():
            self._check(embedder)
            with Intake(self._database, self._ingest, self._recipe) as intake:
                for group in _ahead(_grouped(intake.files()), self._asked):
                    self._commit(group, embedder)
            if self._stop.is_set() and not self._cancelled:
                return Stopped("queued")
            return self._publish()

    @contextmanager
    def _embedding(self) -> Iterator[Embedder]:
        if self._given is not None:
            yield self._given
            return
        embedder = open_for(self._database, self._embedder_settings)
        try:
            yield embedder
        finally:
            embedder.close()

    def _check(self, embedder: Embedder) -> None:
        if embedder.fingerprint != self._fingerprint:
            raise PromptstoneError(
                "The embedder of this base is not the one that made its vectors: the model has "
                "changed. Put it back, or make new vectors with `promptstone kb reindex`."
            )

    @contextmanager
    def _heart(self) -> Iterator[None]:
        """Keep the lease while long texts are embedded."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(_BEAT_SECONDS):
                try:
                    with self._database.session_scope(ACTOR) as session:
                        renew(session, self._held)
                except LostLease:
                    return

        thread = threading.Thread(target=beat, name="ingest-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _asked(self) -> bool:
        """Whether to stop: told by the process, or asked in the database."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked = time.monotonic()
            with self._database.read_scope() as session:
                self._cancelled = session.get_one(Ingest, self._held.ref).wanted == "cancel"
        return self._cancelled or self._stop.is_set()

    def _commit(self, group: _Group, embedder: Embedder) -> None:
        texts = {
            passage.text_hash: passage.searched
            for document in group.documents
            for passage in document.passages
        }
        embedded = self._embed(texts, embedder)
        totals = group.totals._replace(embedded=embedded)
        seconds = self._before + time.monotonic() - self._began
        with self._database.session_scope(self._ingest.actor) as session:
            stage(
                session,
                self._held,
                self._ingest,
                self._recipe.hash,
                group.documents,
                group.ends,
                totals,
                round(seconds, 3),
            )
            set_metas(session, self._base_id, group.metas)

    def _embed(self, texts: dict[str, str], embedder: Embedder) -> int:
        """Vectors of what has none; committed by themselves, so that they outlive a kill."""
        with self._database.read_scope() as session:
            missing = sorted(missing_vectors(session, self._fingerprint, list(texts)))
        for start in range(0, len(missing), EMBEDDED_AT_ONCE):
            part = missing[start : start + EMBEDDED_AT_ONCE]
            vectors = embedder.embed([texts[text_hash] for text_hash in part])
            rows = {
                text_hash: vector.tobytes() for text_hash, vector in zip(part, vectors, strict=True)
            }
            with self._database.session_scope(self._ingest.actor) as session:
                store_vectors(session, self._fingerprint, rows)
        return len(missing)

    def _publish(self) -> Stopped:
        with self._database.session_scope(self._ingest.actor) as session:
            ingest = session.get_one(Ingest, self._held.ref)
            if ingest.kind == "reindex" and self._cancelled:
                return Stopped("cancelled")
            what = "added" if ingest.kind == "add" else "cut and embedded anew"
            publish_ingest(session, self._held, ingest, f"{ingest.done} documents {what}")
        return Stopped("cancelled" if self._cancelled else "completed")


def _grouped(files: Iterable[Arrived]) -> Iterator[_Group]:
    group = _Group()
    started = time.monotonic()
    for arrived in files:
        group.add(arrived)
        if group.chunks >= GROUP_CHUNKS or time.monotonic() - started > _LOOK_SECONDS:
            yield group
            group, started = _Group(), time.monotonic()
    if group.ends or group.documents or group.metas or any(group.totals):
        yield group


def _ahead(groups: Iterator[_Group], asked: Callable[[], bool]) -> Iterator[_Group]:
    """The groups, a few made ahead in a thread; ends early, between two groups, when asked."""
    made: queue.Queue[_Group | BaseException | None] = queue.Queue(_AHEAD)
    ended = threading.Event()

    def put(item: _Group | BaseException | None) -> bool:
        while not ended.is_set():
            try:
                made.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for group in groups:
                if asked() or not put(group):
                    break
            put(None)
        except BaseException as error:  # whatever it was, the one who commits must learn of it
            put(error)

    thread = threading.Thread(target=make, name="ingest-read", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        ended.set()
        thread.join()
