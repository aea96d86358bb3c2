"""The annotator's station of this tab: which item is shown since when, and what is staged."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import streamlit as st
from sqlmodel import Session

from app.workspace.components import access, editor
from app.workspace.strings import raw, t
from core import drafts
from core.clock import utcnow
from evalsets.labels import queues
from evalsets.labels.queue_plan import get_queue
from evalsets.labels.service import checked
from evalsets.models import Queue

_NOTHING = queues.Progress(0, 0)
_NEVER = datetime.min.replace(tzinfo=UTC)
DRAFT = "label.text"
CORRECTION, COMMENT = "label_correction", "label_comment"


@dataclass
class Station:
    """What one annotator does with one queue in this tab."""

    queue: Queue
    item: queues.ItemToLabel | None = None
    progress: queues.Progress = _NOTHING
    shown_at: datetime = _NEVER
    last_press: datetime | None = None
    staged: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    turn: int = 0

    def take(self, session: Session) -> None:
        """Lease the next item and forget what belonged to the last one."""
        self.show(session, queues.next_item(session, self.queue.id))

    def show(self, session: Session, item: queues.ItemToLabel | None) -> None:
        self.item, self.shown_at = item, _NEVER
        self.staged, self.texts = set(), {}
        self.turn += 1
        self.progress = queues.progress(session, self.queue.id)
        if item is not None:
            self._recall(session, item)

    def _recall(self, session: Session, item: queues.ItemToLabel) -> None:
        for part in (CORRECTION, COMMENT):
            ref = f"{self.queue.id}/{item.position}/{part}"
            draft = drafts.load_draft(session, access.actor(), DRAFT, ref)
            if draft is not None:
                self.texts[part] = draft.content

    def drawn(self) -> datetime:
        """When the item was first shown; called by the drawing of the page."""
        if self.shown_at is _NEVER:
            self.shown_at = utcnow()
        return self.shown_at

    def press(self, position: int, label: str, shown_at: datetime) -> None:
        """Save a label and take the next item, in one transaction."""
        now = utcnow()
        if queues.too_fast(now, shown_at, self.last_press):
            self.last_press = now  # a held key labels one, not one every quarter of a second
            st.toast(t("label.too_fast"))
            return
        if self.item is None or self.item.position != position:
            return
        self.last_press = now
        correction = editor.typed(CORRECTION, self.turn)
        comment = editor.typed(COMMENT, self.turn)
        content = checked(
            label,
            [reason for reason in self.queue.reasons if reason in self.staged],
            self.texts.get(CORRECTION) if correction is None else correction,
            self.texts.get(COMMENT) if comment is None else comment,
        )

        def save(session: Session) -> bool:
            queues.save_item(session, self.queue.id, position, content)
            for part in self.texts:
                drafts.drop_draft(session, DRAFT, f"{self.queue.id}/{position}/{part}")
            self.take(session)
            return True

        access.act(save)

    def undo(self) -> None:
        """Take the last label back and show its item again."""

        def take_back(session: Session) -> bool:
            position = queues.undo(session, self.queue.id)
            if position is not None:
                self.show(session, queues.show_item(session, self.queue.id, position))
            return True

        access.act(take_back)

    def stage(self, reason: str) -> None:
        """Choose a reason before the verdict, or take it back."""
        self.staged ^= {reason}

    def keep(self, part: str, text: str) -> None:
        """Keep an unsaved text, so that a reload does not lose it."""
        self.texts[part] = text
        if self.item is not None:
            ref = f"{self.queue.id}/{self.item.position}/{part}"
            access.act(lambda session: (drafts.save_draft(session, DRAFT, ref, text), True))


def station(queue_id: str) -> Station:
    """The station of this tab; a queue that was left is taken up where it stands."""
    key = f"station_{queue_id}"
    found = st.session_state.get(key)
    if found is None:
        with access.reading() as session:
            found = Station(get_queue(session, queue_id))
        access.act(lambda session: (found.take(session), True))
        st.session_state[key] = found
    return found


def title(queue: Queue) -> str:
    """A queue's name, which tells nothing of arms."""
    return queue.name or raw("label.title")
