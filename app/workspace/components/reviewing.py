"""The reviewer's station of this tab: which call is shown since when, and what is written."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import streamlit as st
from sqlmodel import Session

from app.workspace.components import access, editor
from app.workspace.strings import raw, t
from core import drafts
from core.clock import utcnow
from core.errors import PromptstoneError
from evalsets.labels.queues import too_fast
from serving import collecting, review
from serving.review import ReviewCounts, ToReview

_NEVER = datetime.min.replace(tzinfo=UTC)
_NOTHING = ReviewCounts(0, 0, [])
DRAFT = "review-text"
CORRECTION = "review_correction"


class Sent(NamedTuple):
    """Cases that this tab added: how many, to which version."""

    cases: int
    ref: str


@dataclass
class Station:
    """What one reviewer does with the calls of an app, or of all, in this tab."""

    app: str | None
    call: ToReview | None = None
    counts: ReviewCounts = _NOTHING
    shown_at: datetime = _NEVER
    last_press: datetime | None = None
    text: str = ""
    dataset: str | None = None
    proposed: str = ""
    sent: list[Sent] = field(default_factory=list)
    last_app: str | None = None
    turn: int = 0

    def take(self, session: Session) -> None:
        """Show the oldest call that waits."""
        self.show(session, review.next_open(session, self.app))

    def show(self, session: Session, request_id: str | None) -> None:
        self.call = None if request_id is None else review.show(session, request_id)
        self.counts = review.counts(session, self.app)
        self.shown_at, self.text = _NEVER, ""
        self.turn += 1
        if self.call is not None:
            draft = drafts.load_draft(session, access.actor(), DRAFT, self.call.request_id)
            self.text = draft.content if draft is not None else self.call.correction or ""
            self.proposed = collecting.dataset_of(session, self.call.app)

    def drawn(self) -> datetime:
        """When the call was first shown; called by the drawing of the page."""
        if self.shown_at is _NEVER:
            self.shown_at = utcnow()
        return self.shown_at

    @property
    def target(self) -> str:
        """The data set that `D` collects for."""
        return self.dataset or self.proposed

    def press(self, request_id: str, kind: str, shown_at: datetime) -> None:
        """Decide (bad, fine, corrected, dataset) and take the next call, in one transaction."""
        now = utcnow()
        if too_fast(now, shown_at, self.last_press):
            self.last_press = now  # a held key decides about one, not four a second
            st.toast(t("label.too_fast"))
            return
        if self.call is None or self.call.request_id != request_id:
            return
        self.last_press, self.last_app = now, self.call.app
        typed = editor.typed(CORRECTION, self.turn)
        text = (self.text if typed is None else typed) if kind != "fine" else ""
        if kind == "corrected" and not text.strip():
            st.toast(t("review.write_first"))
            return
        decision = "fine" if kind == "fine" else "corrected" if text.strip() else "bad"

        def save(session: Session) -> bool:
            dataset = self.target if kind == "dataset" else None
            review.resolve(session, request_id, decision, text, dataset)
            drafts.drop_draft(session, DRAFT, request_id)
            self.take(session)
            return True

        if access.act(save) is None:
            self.refresh()

    def undo(self) -> None:
        """Take one's last decision back and show its call again."""

        def take_back(session: Session) -> bool:
            request_id = review.undo(session, self.app)
            if request_id is not None:
                self.show(session, request_id)
            return True

        access.act(take_back)

    def refresh(self) -> None:
        """Look anew: the call that was shown may be gone or decided by somebody else."""
        access.act(lambda session: (self.take(session), True))

    def keep(self, text: str) -> None:
        """Keep an unsaved correction, so that a reload does not lose it."""
        self.text = text
        if self.call is not None:
            ref = self.call.request_id
            access.act(lambda session: (drafts.save_draft(session, DRAFT, ref, text), True))

    def add(self, dataset: str) -> None:
        """Add what was collected for a data set as one version."""
        try:
            added = collecting.add_collected(access.database(), access.actor(), dataset)
        except PromptstoneError as error:
            access.refuse(error)
            return
        if added is not None:
            self.sent.append(Sent(added.new + added.changed, added.version.ref))
        with access.reading() as session:
            self.counts = review.counts(session, self.app)


def station(app: str | None) -> Station:
    """The station of this tab; without a call it looks for new ones at every drawing."""
    key = f"review_station_{app or ''}"
    found = st.session_state.get(key)
    if found is None:
        found = st.session_state[key] = Station(app)
    if found.call is None:
        with access.reading() as session:
            found.take(session)
    return found


def sent_line(sent: Sent) -> str:
    """18 cases in faq-failures@4."""
    return raw("review.sent", n=sent.cases, ref=sent.ref)
