"""What clients say of the answers they got: kept in full, the last word counts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Text, cast, func
from sqlmodel import Session, col, select

from core.clock import utcnow
from core.errors import Conflict, Invalid, NotFound
from serving.models import Feedback, Review, Trace
from serving.trace_filters import moment_of

RATINGS = ("good", "bad")
MOST_REASONS = 20
MOST_REASON = 200
MOST_COMMENT = 10_000
MOST_CORRECTION = 200_000
MOST_OF_A_CALL = 100
_ON_ITS_WAY = timedelta(seconds=5)


class _Said(NamedTuple):
    """Feedback fit to be stored."""

    rating: str | None
    reasons: list[str]
    comment: str
    correction: str | None

    @property
    def words(self) -> bool:
        """Whether there is more than a rating."""
        return bool(self.reasons or self.comment or self.correction)


def give(
    session: Session,
    *,
    app_ids: frozenset[str] | None,
    request_id: str,
    rating: str | None,
    reasons: Sequence[str] = (),
    comment: str = "",
    correction: str | None = None,
    actor: str,
) -> Feedback:
    """Keep what `actor` said of a call; `app_ids` are those a key may speak of, None all.

    Without a rating, words are added to the rating that stands, and no words take it back. The
    same once more changes nothing. What is bad, or says more than good, asks for a review. Raises
    Invalid, NotFound for an unknown call or one of another app, Conflict after a hundred times.
    """
    said = _checked(rating, reasons, comment, correction)
    trace = _call(session, app_ids, request_id)
    before = _history(session, trace.id)
    if before and _same(before[-1], said):
        return before[-1]
    if len(before) >= MOST_OF_A_CALL:
        raise Conflict(f"This call has feedback {MOST_OF_A_CALL} times. No more is taken.")
    row = Feedback(trace_id=trace.id, app_id=trace.app_id, actor=actor, **said._asdict())
    session.add(row)
    if said.rating is not None or not said.words:
        trace.rating = said.rating
    trace.review = _review(session, trace, [*before, row])
    session.add(trace)
    session.flush()
    return row


def on_its_way(request_id: str, now: datetime | None = None) -> bool:
    """Whether a call that is not found may be one that another process is about to record."""
    try:
        return abs((now or utcnow()) - moment_of(request_id)) < _ON_ITS_WAY
    except Invalid:
        return False


def _call(session: Session, app_ids: frozenset[str] | None, request_id: str) -> Trace:
    query = select(Trace).where(Trace.id == request_id)
    if app_ids is not None:
        query = query.where(col(Trace.app_id).in_(app_ids))
    found = session.exec(query.with_for_update()).first()
    if found is None:
        raise NotFound(
            f"There is no call {request_id[:40]!r} of this key. Send the `x-request-id` of its "
            "answer.",
            param="request_id",
        )
    return found


def _checked(
    rating: str | None, reasons: Sequence[str], comment: str, correction: str | None
) -> _Said:
    if rating is not None and rating not in RATINGS:
        raise Invalid(f"There is no rating {rating[:40]!r}. Use good, bad or null.", param="rating")
    kept = list(dict.fromkeys(reason.strip() for reason in reasons if reason.strip()))
    if len(kept) > MOST_REASONS or any(len(reason) > MOST_REASON for reason in kept):
        raise Invalid(
            f"At most {MOST_REASONS} reasons of {MOST_REASON} characters. Shorten them, or write "
            "a comment.",
            param="reasons",
        )
    _check_text("comment", comment, MOST_COMMENT)
    _check_text("correction", correction or "", MOST_CORRECTION)
    for reason in kept:
        _check_text("reasons", reason, MOST_REASON)
    blank = correction is None or not correction.strip()
    return _Said(rating, kept, comment.strip(), None if blank else correction)


def _check_text(name: str, text: str, most: int) -> None:
    if len(text) > most:
        raise Invalid(f"The {name} has more than {most:,} characters. Shorten it.", param=name)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(
            f"The {name} holds half a character (a lone surrogate). Correct the text.", param=name
        ) from None


def _history(session: Session, request_id: str) -> list[Feedback]:
    query = select(Feedback).where(Feedback.trace_id == request_id)
    return list(session.exec(query.order_by(col(Feedback.at), col(Feedback.id))))


def _same(row: Feedback, said: _Said) -> bool:
    return _Said(row.rating, row.reasons, row.comment, row.correction) == said


def _review(session: Session, trace: Trace, history: Sequence[Feedback]) -> str | None:
    """Open while something that nobody has looked at asks for it; only people make it done."""
    decided = session.get(Review, trace.id)
    fresh = [row for row in history if decided is None or row.at > decided.at]
    asks = bool(fresh) and (
        trace.rating == "bad" or any(row.comment or row.correction for row in fresh)
    )
    if asks:
        return "open"
    return None if decided is None else "done"


class Reason(NamedTuple):
    """A reason and how many times it was given."""

    reason: str
    n: int


def reasons_of(session: Session, app_id: str | None, *, most: int = 50) -> list[Reason]:
    """The reasons that feedback gave, of the newest thousand that gave one, by how often."""
    query = select(Feedback.reasons).where(func.length(cast(Feedback.reasons, Text)) > 2)
    if app_id is not None:
        query = query.where(Feedback.app_id == app_id)
    counts: dict[str, int] = {}
    for reasons in session.exec(query.order_by(col(Feedback.id).desc()).limit(1000)):
        for reason in reasons:
            counts[reason] = counts.get(reason, 0) + 1
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return [Reason(*one) for one in ordered[:most]]
