"""Changes of chunks by hand: text, split, merge, disable, restore; each makes a snapshot.

The vectors of new texts are made before the transaction that stores them, so a change is two
steps: `plan` says what is to be embedded, `store` writes it, and refuses when the document has
moved on meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import Session, col, select

from core.audit import actor_of
from core.clock import new_id
from core.errors import Conflict, Invalid, NotFound
from rag import chunk_edits
from rag.chunk_edits import Edit, EditedPiece, apply_edits
from rag.chunking import chunk
from rag.models import Chunk, ChunkEdit, Document, DocumentVersion, KnowledgeBase
from rag.prepare import Passage, passage, read_recipe
from rag.service import lock
from rag.snapshots import publish
from rag.staging import active_edits, store_vectors

MOST_CHARACTERS = 20_000
Change = Callable[[Sequence[EditedPiece], int], Edit]


def text_of(text: str) -> Change:
    """The chunk says `text`."""
    if len(text) > MOST_CHARACTERS:
        raise Invalid(f"A chunk has at most {MOST_CHARACTERS:,} characters. Split it.")
    return lambda pieces, position: chunk_edits.edit_text(pieces, position, text)


def split_at(offset: int) -> Change:
    """The chunk becomes two, cut before its character `offset`."""
    return lambda pieces, position: chunk_edits.split_at(pieces, position, offset)


merge: Change = chunk_edits.merge
disable: Change = chunk_edits.disable
restore: Change = chunk_edits.restore


@dataclass(frozen=True)
class PlannedEdit:
    """Chunks that go and passages that come instead; those behind keep their order."""

    base_id: str
    document_id: str
    version_id: str
    fingerprint: str
    edit: Edit
    gone: tuple[str, ...]
    position: int
    passages: tuple[Passage, ...]
    message: str


def chunks_of(session: Session, document_id: str, snapshot: int | None = None) -> list[Chunk]:
    """A document's chunks in their order, disabled ones too; of the newest snapshot by default."""
    query = select(Chunk).where(Chunk.document_id == document_id, col(Chunk.added_in).is_not(None))
    if snapshot is None:
        query = query.where(col(Chunk.removed_in).is_(None))
    else:
        gone = col(Chunk.removed_in)
        query = query.where(col(Chunk.added_in) <= snapshot, gone.is_(None) | (gone > snapshot))
    return list(session.exec(query.order_by(col(Chunk.position))))


def plan(session: Session, chunk_id: str, change: Change) -> PlannedEdit:
    """What a change of a chunk does. Raises NotFound for one that has gone, Invalid, Conflict."""
    row = session.get(Chunk, chunk_id)
    if row is None or row.added_in is None or row.removed_in is not None:
        raise NotFound("The chunk is no longer there. Open the document again.")
    base = session.get_one(KnowledgeBase, row.base_id)
    document = session.get_one(Document, row.document_id)
    version = session.get_one(DocumentVersion, row.version_id)
    rows = chunks_of(session, row.document_id)
    recipe = read_recipe(base.chunker, base.cleaning)
    cut = chunk(version.text, version.pages, recipe.chunker)
    edits = [Edit(tuple(e.originals), tuple(e.texts)) for e in active_edits(session, document.id)]
    before = apply_edits(cut, edits).pieces
    if [piece.piece.text for piece in before] != [one.text for one in rows]:
        raise Conflict(
            "The document was cut in another way than it would be now. Reindex the base with "
            f"`promptstone kb reindex {base.name}`, then edit the chunk."
        )
    edit = change(before, [one.id for one in rows].index(chunk_id))
    after = apply_edits(cut, [*edits, edit]).pieces
    head, tail = _same(before, after)
    gone = rows[head : len(rows) - tail]
    return PlannedEdit(
        base.id,
        document.id,
        version.id,
        base.fingerprint,
        edit,
        tuple(one.id for one in gone),
        gone[0].position if gone else row.position,
        tuple(passage(version.title, piece) for piece in after[head : len(after) - tail]),
        f"a chunk of {document.name} edited",
    )


def _same(before: Sequence[EditedPiece], after: Sequence[EditedPiece]) -> tuple[int, int]:
    """How many pieces at the head and at the tail stay as they were."""
    most = min(len(before), len(after))
    head = 0
    while head < most and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < most - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return head, tail


def store(session: Session, planned: PlannedEdit, vectors: Mapping[str, bytes]) -> int:
    """Write the change as the next snapshot; its number. Raises Conflict when a chunk has gone."""
    base = lock(session, planned.base_id)
    number = base.snapshot + 1
    gone = session.connection().execute(
        update(Chunk)
        .where(col(Chunk.id).in_(planned.gone), col(Chunk.removed_in).is_(None))
        .values(removed_in=number)
    )
    if gone.rowcount != len(planned.gone) or base.fingerprint != planned.fingerprint:
        raise Conflict("The document has changed meanwhile. Open it again, then edit it.")
    if not planned.gone:
        raise Conflict("Nothing would change. Write another text, or leave it.")
    store_vectors(session, planned.fingerprint, vectors)
    _make_room(session, planned)
    for place, one in enumerate(planned.passages):
        session.add(
            Chunk(
                id=new_id(),
                base_id=base.id,
                document_id=planned.document_id,
                version_id=planned.version_id,
                position=planned.position + place,
                added_in=number,
                **one.row(),
            )
        )
    _remember(session, planned)
    return publish(session, base, planned.message).number


def _make_room(session: Session, planned: PlannedEdit) -> None:
    """Those behind move in every snapshot alike, so that their order stays."""
    more = len(planned.passages) - len(planned.gone)
    if more > 0:
        last = planned.position + len(planned.gone) - 1
        session.connection().execute(
            update(Chunk)
            .where(col(Chunk.document_id) == planned.document_id, col(Chunk.position) > last)
            .values(position=Chunk.position + more)
        )


def _remember(session: Session, planned: PlannedEdit) -> None:
    """For when the document is parsed anew; an older edit of just these passages is done with."""
    covered = set(planned.edit.originals)
    for old in active_edits(session, planned.document_id):
        if set(old.originals) <= covered:
            old.active = False
            session.add(old)
    session.add(
        ChunkEdit(
            document_id=planned.document_id,
            originals=list(planned.edit.originals),
            texts=list(planned.edit.texts),
            actor=actor_of(session),
        )
    )
    session.flush()
