"""Labels of people: saved once, never overwritten, the newest of an annotator counts.

A label belongs to an item (`evalsets.identity`), not to a cell, so that an output which comes
again in a later run is already labeled.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import exists, text, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from core.audit import actor_of
from core.clock import utcnow
from core.errors import Invalid, NotFound
from evalsets.labels.content import LabelContent as LabelContent
from evalsets.labels.content import checked as checked
from evalsets.labels.content import checked_annotator as checked_annotator
from evalsets.models import Cell, Label, QueueItem

_KEYS_AT_ONCE = 500


class Item(NamedTuple):
    """An output to label, and the cell at which it was seen."""

    run_id: str
    cell: int
    item_key: str


class Saved(NamedTuple):
    """`created` is False when exactly this label stood already."""

    label_id: int
    item: Item
    created: bool


@dataclass(frozen=True)
class Press:
    """Where a label came from: `source` is queue, picked or import."""

    source: str = "picked"
    queue_id: str | None = None
    at: datetime = field(default_factory=utcnow)


def annotator_of(session: Session) -> str:
    """The annotator that the session's actor is: a person signed in labels under their name."""
    return actor_of(session).removeprefix("user:")


def item_of(session: Session, run_id: str, cell: int) -> Item:
    """The item of a cell; raises NotFound, and Invalid for a cell without an output."""
    query = select(Cell.state, Cell.item_key)
    row = session.execute(query.where(Cell.run_id == run_id, Cell.number == cell)).first()
    if row is None:
        raise NotFound(
            f"The run {run_id} has no cell {cell}. `promptstone run export` lists its cells."
        )
    if row.state != "succeeded" or row.item_key is None:
        raise Invalid(
            f"Cell {cell} has no output to label ({row.state}). `promptstone run retry` sends "
            "failed cells again.",
            param="cell",
        )
    return Item(run_id, cell, row.item_key)


def save_label(
    session: Session, item: Item, content: LabelContent, press: Press, annotator: str | None = None
) -> Saved:
    """Append a label; the same content as the one that counts changes nothing.

    `annotator`: default the session's actor.
    """
    annotator = annotator_of(session) if annotator is None else checked_annotator(annotator)
    hold_annotators(session, [annotator])
    current = newest_label(session, item.item_key, annotator)
    if current is not None and content_of(current) == content:
        return Saved(current.id or 0, item, created=False)
    row = _row(session, item, content, press, annotator)
    mark_done(session, [item.item_key])
    return Saved(row.id or 0, item, created=True)


def take_back(session: Session, item: Item, annotator: str | None = None) -> bool:
    """Take the annotator's counting label of an item back; the history stays."""
    annotator = annotator_of(session) if annotator is None else checked_annotator(annotator)
    hold_annotators(session, [annotator])
    current = newest_label(session, item.item_key, annotator)
    if current is None or current.label is None:
        return False
    press = Press(current.source, current.queue_id)
    content = LabelContent(None, adjudicated=current.adjudicated)
    _row(session, item, content, press, annotator)
    mark_done(session, [item.item_key])
    return True


def _row(
    session: Session, item: Item, content: LabelContent, press: Press, annotator: str
) -> Label:
    row = Label(
        item_key=item.item_key,
        annotator=annotator,
        label=content.label,
        reasons=list(content.reasons),
        correction=content.correction,
        comment=content.comment,
        adjudicated=content.adjudicated,
        source=press.source,
        run_id=item.run_id,
        cell=item.cell,
        queue_id=press.queue_id,
        actor=actor_of(session),
        at=press.at,
    )
    session.add(row)
    session.flush()
    return row


def newest_label(session: Session, item_key: str, annotator: str) -> Label | None:
    """The annotator's newest row for an item; its `label` is None when it was taken back."""
    query = select(Label).where(Label.item_key == item_key, Label.annotator == annotator)
    return session.exec(query.order_by(col(Label.id).desc()).limit(1)).first()


def content_of(row: Label) -> LabelContent:
    """What a stored row says."""
    return LabelContent(row.label, tuple(row.reasons), row.correction, row.comment, row.adjudicated)


def history(session: Session, item_key: str) -> list[Label]:
    """Every press on an item, oldest first."""
    query = select(Label).where(Label.item_key == item_key).order_by(col(Label.id))
    return list(session.exec(query))


def mark_done(session: Session, item_keys: Iterable[str]) -> None:
    """Bring `QueueItem.done` of these items to what their labels say, in every queue."""
    label, newer = aliased(Label), aliased(Label)
    replaced = exists().where(
        col(newer.item_key) == label.item_key,
        col(newer.annotator) == label.annotator,
        col(newer.id) > label.id,
    )
    counts = exists().where(
        col(label.item_key) == QueueItem.item_key, col(label.label).is_not(None), ~replaced
    )
    keys = list(dict.fromkeys(item_keys))
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        some = col(QueueItem.item_key).in_(keys[start : start + _KEYS_AT_ONCE])
        # Locked first, in a statement of its own: the update must see what another annotator of
        # the same item has committed meanwhile.
        ordered = select(QueueItem.position).where(some)
        ordered = ordered.order_by(col(QueueItem.queue_id), col(QueueItem.position))
        session.execute(ordered.with_for_update())
        session.execute(
            update(QueueItem).where(some).values(done=counts),
            execution_options={"synchronize_session": False},
        )


def hold_annotators(session: Session, annotators: Iterable[str]) -> None:
    """Serialize the writes of an annotator until the commit: a retried request must not double."""
    if session.get_bind().dialect.name != "postgresql":
        return  # one writer at a time anyway
    for name in sorted(set(annotators)):
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7263911404))")
        session.execute(lock, {"name": name})
