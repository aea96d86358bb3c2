"""What an ingest reads, file by file: documents ready to be staged, unchanged ones, refusals."""

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from core.database import Database
from core.errors import PromptstoneError
from rag.beir import read_corpus
from rag.chunk_edits import Edit
from rag.cleaning.near_duplicates import NearDuplicates
from rag.models import Document, DocumentVersion, Ingest, IngestItem
from rag.parsing.process import Parsed, Parser, Refused
from rag.passages import document_name
from rag.prepare import Prepared, Recipe, prepare, without_duplicates
from rag.staging import (
    ItemEnd,
    Known,
    MetaChange,
    active_edits,
    known_documents,
    searched_texts,
)

MOST_BYTES = 200 << 20
_PARSED_AT_ONCE = 2
_RECORDS = 64


@dataclass(frozen=True)
class Arrived:
    """What one file, or a part of a corpus, gave."""

    documents: tuple[Prepared, ...] = ()
    ends: tuple[ItemEnd, ...] = ()
    metas: tuple[MetaChange, ...] = ()
    unchanged: int = 0


class _Read(NamedTuple):
    """A file's bytes as documents; None where it is known and unchanged."""

    found: list[Parsed | Refused] | None
    size: int
    content_hash: str


class Intake:
    """`with Intake(…) as intake: for arrived in intake.files()`; holds the parsers' process."""

    def __init__(self, database: Database, ingest: Ingest, recipe: Recipe) -> None:
        self._database = database
        self._ingest = ingest
        self._recipe = recipe
        self._hash = recipe.hash
        self._parser = Parser(parser=recipe.parser.kind)
        with database.read_scope() as session:
            self._known = known_documents(session, ingest.base_id, ingest.id)
            self._seen = self._seen_before(session)

    def __enter__(self) -> "Intake":
        self._parser.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._parser.__exit__(*error)

    def _seen_before(self, session: Session) -> NearDuplicates[str] | None:
        cleaning = self._recipe.cleaning
        if not cleaning.near_duplicates:
            return None
        seen = NearDuplicates[str](cleaning.threshold)
        for chunk_id, text in searched_texts(session, self._ingest):
            seen.add(chunk_id, text)
        return seen

    def _without_duplicates(self, found: Prepared) -> Prepared:
        return found if self._seen is None else without_duplicates(found, self._seen)

    def files(self) -> Iterator[Arrived]:
        """Everything that is still to be read, in order."""
        if self._ingest.kind == "reindex":
            return self._present()
        if self._ingest.form == "beir":
            return self._corpora()
        return self._items()

    # -- files -----------------------------------------------------------------------------

    def _items(self) -> Iterator[Arrived]:
        reading: deque[tuple[IngestItem, Future[_Read]]] = deque()
        with ThreadPoolExecutor(_PARSED_AT_ONCE, thread_name_prefix="parse") as pool:
            for item in self._queued():
                reading.append((item, pool.submit(self._read, item)))
                if len(reading) > _PARSED_AT_ONCE:
                    yield self._arrived(*reading.popleft())
            while reading:
                yield self._arrived(*reading.popleft())

    def _queued(self) -> list[IngestItem]:
        with self._database.read_scope() as session:
            query = select(IngestItem).where(
                IngestItem.ingest_id == self._ingest.id, IngestItem.state == "queued"
            )
            return list(session.exec(query.order_by(col(IngestItem.position))))

    def _read(self, item: IngestItem) -> _Read:
        path = Path(item.path)
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise PromptstoneError(
                f"The file has {size / 2**20:.0f} MB, more than {MOST_BYTES >> 20}. Split it."
            )
        data = path.read_bytes()
        content_hash = hashlib.sha256(data).hexdigest()
        if self._is_known(item.name, content_hash):
            return _Read(None, size, content_hash)
        return _Read(self._parser.parse(data, item.name), size, content_hash)

    def _arrived(self, item: IngestItem, reading: "Future[_Read]") -> Arrived:
        try:
            read = reading.result()
        except OSError as error:
            return _failed(item, _unreadable(error))
        except PromptstoneError as error:
            return _failed(item, error.message)
        if read.found is None:
            end = ItemEnd(item.position, "unchanged", documents=1)
            return Arrived((), (end,), self._metas(item.name, {}), 1)
        return self._parsed(item, read.found, read.size)

    def _parsed(self, item: IngestItem, found: list[Parsed | Refused], size: int) -> Arrived:
        documents: list[Prepared] = []
        metas: list[MetaChange] = []
        ends: list[ItemEnd] = []
        unchanged = 0
        whole = len(found) == 1 and found[0].name == item.name
        for one in found:
            if isinstance(one, Refused):
                name = "" if whole else document_name(one.name)
                ends.append(ItemEnd(item.position, "failed", one.reason, name=name))
            elif self._is_known(document_name(one.name), one.content_hash):
                unchanged += 1
                metas += self._metas(document_name(one.name), {})
            else:
                documents.append(self._prepare(one, size if whole else len(one.text), {}, item))
        if not (whole and ends):
            chunks = sum(len(document.passages) for document in documents)
            state = "done" if documents or not unchanged else "unchanged"
            ends.append(ItemEnd(item.position, state, None, len(found), chunks))
        return Arrived(tuple(documents), tuple(ends), tuple(metas), unchanged)

    # -- corpora ---------------------------------------------------------------------------

    def _corpora(self) -> Iterator[Arrived]:
        for item in self._queued():
            try:
                yield from self._corpus(item)
            except OSError as error:
                yield _failed(item, _unreadable(error))
            except PromptstoneError as error:
                yield _failed(item, error.message)

    def _corpus(self, item: IngestItem) -> Iterator[Arrived]:
        documents: list[Prepared] = []
        metas: list[MetaChange] = []
        unchanged = read = 0
        for record in read_corpus(Path(item.path)):
            read += 1
            name = document_name(record.id)
            content_hash = hashlib.sha256(record.line.strip()).hexdigest()
            if self._is_known(name, content_hash):
                unchanged += 1
                metas += self._metas(name, record.meta)
            else:
                found = Parsed(name, content_hash, "text", record.title, record.text, (), ())
                documents.append(self._prepare(found, len(record.line), record.meta, item))
            if len(documents) + unchanged >= _RECORDS:
                yield Arrived(tuple(documents), (), tuple(metas), unchanged)
                documents, metas, unchanged = [], [], 0
        end = ItemEnd(item.position, "done", None, read)
        yield Arrived(tuple(documents), (end,), tuple(metas), unchanged)

    # -- what is there already -------------------------------------------------------------

    def _present(self) -> Iterator[Arrived]:
        done = {known.document_id for known in self._known.values() if known.staged}
        with self._database.read_scope() as session:
            query = (
                select(DocumentVersion.id, Document.id)
                .join(Document, col(Document.id) == col(DocumentVersion.document_id))
                .where(
                    DocumentVersion.base_id == self._ingest.base_id,
                    col(DocumentVersion.added_in).is_not(None),
                    col(DocumentVersion.removed_in).is_(None),
                )
                .order_by(col(DocumentVersion.id))
            )
            versions = [
                version for version, document in session.exec(query) if document not in done
            ]
        for version in versions:
            yield Arrived((self._again(version),))

    def _again(self, version_id: str) -> Prepared:
        with self._database.read_scope() as session:
            version = session.get_one(DocumentVersion, version_id)
            document = session.get_one(Document, version.document_id)
        raw = version.raw_text is not None
        found = Parsed(
            document.name,
            version.content_hash,
            version.media,
            version.title,
            version.raw_text if version.raw_text is not None else version.text,
            tuple(version.raw_pages if raw else version.pages),
            tuple(version.notes),
        )
        made = prepare(
            found,
            self._recipe,
            self._edits(document.id),
            size=version.size,
            meta=document.meta,
            source=document.source,
        )
        return self._without_duplicates(made)

    # -- one document ----------------------------------------------------------------------

    def _is_known(self, name: str, content_hash: str) -> bool:
        known = self._known.get(name)
        return known is not None and (known.content_hash, known.recipe) == (
            content_hash,
            self._hash,
        )

    def _metas(self, name: str, own: Mapping[str, Any]) -> tuple[MetaChange, ...]:
        known = self._known[name]
        meta = {**known.meta, **own, **self._ingest.meta}
        return (MetaChange(known.document_id, meta),) if meta != known.meta else ()

    def _prepare(
        self, found: Parsed, size: int, own: Mapping[str, Any], item: IngestItem
    ) -> Prepared:
        known: Known | None = self._known.get(document_name(found.name))
        before = known.meta if known else {}
        made = prepare(
            found,
            self._recipe,
            self._edits(known.document_id) if known else (),
            size=size,
            meta={**before, **own, **self._ingest.meta},
            source=item.source,
        )
        identity = known.document_id if known else ""
        self._known[made.name] = Known(identity, made.content_hash, self._hash, made.meta, True)
        return self._without_duplicates(made)

    def _edits(self, document_id: str) -> list[Edit]:
        with self._database.read_scope() as session:
            return edits_of(session, document_id)


def edits_of(session: Session, document_id: str) -> list[Edit]:
    """A document's edits as values."""
    return [
        Edit(tuple(edit.originals), tuple(edit.texts))
        for edit in active_edits(session, document_id)
    ]


def _unreadable(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return (
            "It is not there. Add it again; a worker elsewhere must see the same uploads folder in "
            "its data folder."
        )
    return f"It cannot be read ({error.strerror}). Check its rights."


def _failed(item: IngestItem, reason: str) -> Arrived:
    return Arrived((), (ItemEnd(item.position, "failed", reason),))
