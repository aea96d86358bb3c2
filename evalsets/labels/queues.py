"""Labeling queues: the items of a plan, handed out blind, one by one, to one person at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import and_, exists, func, or_, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from core.clock import utcnow
from core.errors import NotFound
from evalsets.labels.queue_plan import get_queue, queue_for_run
from evalsets.labels.service import (
    Item,
    LabelContent,
    Press,
    Saved,
    annotator_of,
    item_of,
    save_label,
    take_back,
)
from evalsets.models import Answer, Case, Cell, Label, Queue, QueueItem, Run

LEASE = timedelta(minutes=10)
SHORTEST_LOOK = timedelta(milliseconds=250)


def too_fast(at: datetime, shown_at: datetime, last_press: datetime | None = None) -> bool:
    """Whether a label must be dropped: nobody reads an output in a quarter of a second.

    Without it the second press of a double one labels the next, unseen output.
    """
    since = shown_at if last_press is None else max(shown_at, last_press)
    return at - since < SHORTEST_LOOK


@dataclass(frozen=True)
class ItemToLabel:
    """What an annotator sees: nothing tells the arm, the model, the cost or the latency."""

    queue_id: str
    position: int
    inputs: dict[str, Any]
    expected: str | None
    output: str
    tool_calls: list[Any] | None


class Progress(NamedTuple):
    """Items of a queue with a label that counts, and all of them."""

    done: int
    total: int


def progress(session: Session, queue_id: str) -> Progress:
    """How far a queue is: 12 of 80."""
    query = select(QueueItem.done, func.count()).where(QueueItem.queue_id == queue_id)
    counts = dict(session.execute(query.group_by(col(QueueItem.done))).all())
    return Progress(counts.get(True, 0), sum(counts.values()))


def next_item(session: Session, queue_id: str) -> ItemToLabel | None:
    """Lease the next output without a label to the session's actor; None at the end.

    An item leased to somebody else is passed over until it is labeled or the lease ends.
    """
    me, now = annotator_of(session), utcnow()
    free = or_(
        col(QueueItem.held_by).is_(None),
        col(QueueItem.held_by) == me,
        col(QueueItem.held_until) < now,
    )
    query = (
        select(QueueItem)
        .where(QueueItem.queue_id == queue_id, col(QueueItem.done).is_(False), free)
        .order_by(col(QueueItem.position))
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    item = session.exec(query).first()
    if item is None:
        _close_when_done(session, queue_id)
        return None
    item.held_by, item.held_until = me, now + LEASE
    session.add(item)
    session.flush()
    return show_item(session, queue_id, item.position)


def _close_when_done(session: Session, queue_id: str) -> None:
    queue = get_queue(session, queue_id)
    if queue.state == "open" and not is_open(session, [queue_id]):
        queue.state = "complete"
        session.add(queue)
        session.flush()


def is_open(session: Session, queue_ids: Sequence[str]) -> bool:
    """Whether an item of these queues still waits; annotators see no shares meanwhile."""
    query = select(QueueItem.position).where(
        col(QueueItem.queue_id).in_(queue_ids), col(QueueItem.done).is_(False)
    )
    return session.exec(query.limit(1)).first() is not None


def show_item(session: Session, queue_id: str, position: int) -> ItemToLabel:
    """One item of a queue as an annotator may see it; raises NotFound."""
    query = (
        sa.select(
            col(Case.inputs),
            col(Case.expected),
            col(Answer.output),
            col(Answer.tool_calls),
            col(Queue.show_expected),
        )
        .select_from(QueueItem)
        .join(Queue, col(Queue.id) == QueueItem.queue_id)
        .join(Cell, (col(Cell.run_id) == Queue.run_id) & (col(Cell.number) == QueueItem.cell))
        .join(Answer, col(Answer.id) == Cell.answer_id)
        .join(Case, col(Case.id) == Cell.case_ref)
        .where(col(QueueItem.queue_id) == queue_id, col(QueueItem.position) == position)
    )
    row = session.execute(query).first()
    if row is None:
        raise NotFound("There is no such item in the queue. Open the queue again.")
    inputs, expected, output, tool_calls, show = row
    return ItemToLabel(queue_id, position, inputs, expected if show else None, output, tool_calls)


def save_item(session: Session, queue_id: str, position: int, content: LabelContent) -> Saved:
    """Label an item of a queue; idempotent for the same content."""
    item = queued_item(session, queue_id, position)
    return save_label(session, item, content, Press("queue", queue_id))


def queued_item(session: Session, queue_id: str, position: int) -> Item:
    """The identity behind a position of a queue; raises NotFound."""
    query = select(Queue.run_id, QueueItem.cell, QueueItem.item_key).join(
        Queue, col(Queue.id) == QueueItem.queue_id
    )
    row = session.execute(
        query.where(QueueItem.queue_id == queue_id, QueueItem.position == position)
    ).first()
    if row is None:
        raise NotFound("There is no such item in the queue. Open the queue again.")
    return Item(*row)


def undo(session: Session, queue_id: str) -> int | None:
    """Take back the actor's newest label of this queue and lease its item again.

    Returns the item's position; None when there is nothing to take back.
    """
    me, newer = annotator_of(session), aliased(Label)
    replaced = exists().where(
        col(newer.item_key) == Label.item_key,
        col(newer.annotator) == Label.annotator,
        col(newer.id) > Label.id,
    )
    query = select(Label).where(
        Label.run_id == get_queue(session, queue_id).run_id,
        Label.queue_id == queue_id,
        Label.annotator == me,
        col(Label.label).is_not(None),
        ~replaced,
    )
    row = session.exec(query.order_by(col(Label.id).desc()).limit(1)).first()
    if row is None or not take_back(session, Item(row.run_id, row.cell, row.item_key)):
        return None
    mine = and_(col(QueueItem.queue_id) == queue_id, col(QueueItem.item_key) == row.item_key)
    lease = update(QueueItem).where(mine).values(held_by=me, held_until=utcnow() + LEASE)
    session.execute(lease, execution_options={"synchronize_session": False})
    return session.exec(select(QueueItem.position).where(mine)).first()


def pick_label(session: Session, run_id: str, cell: int, content: LabelContent) -> Saved:
    """Label a cell that a person chose, outside the queue: kept, and marked as picked.

    The default plan is stored first, so that it stands before the run's first label.
    """
    item = item_of(session, run_id, cell)
    run = session.get(Run, run_id)
    if run is not None and run.status not in ("queued", "running"):
        queue_for_run(session, run_id)
    return save_label(session, item, content, Press("picked"))
