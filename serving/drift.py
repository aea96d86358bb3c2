"""Drift of an app's inputs: its last calls against those before, by what was kept of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Text, cast, func
from sqlmodel import Session, col, select

from core.clock import utcnow
from serving.drift_rule import LEAST, FieldDrift, drift
from serving.drift_seen import Seen, seen_in
from serving.models import App, Trace, TraceContent

MOST = 500
"""Calls that are read on either side."""
WINDOW = timedelta(days=1)
WEEK = timedelta(days=7)
LONGEST = 100_000
"""Characters of a call's inputs and messages; longer ones are left out and counted."""
_PART = 50


class Side(NamedTuple):
    """Calls that were compared: how many, from when to when; `left_out` were too long to read."""

    n: int
    first: datetime | None
    last: datetime | None
    left_out: int


class InputDrift(NamedTuple):
    """What an app is asked now against before. `fields` is empty while either side has too few.

    `reference`: the first calls of the release, or those of the week before the window.
    """

    reference: Literal["release", "week"]
    before: Side
    now: Side
    fields: tuple[FieldDrift, ...]

    @property
    def enough(self) -> bool:
        """Whether both sides have calls enough to be compared."""
        return min(self.before.n, self.now.n) >= LEAST


class _Read(NamedTuple):
    side: Side
    calls: list[dict[str, Seen]]


def input_drift(
    session: Session,
    app: App,
    *,
    release: int | None = None,
    window: timedelta = WINDOW,
    now: datetime | None = None,
) -> InputDrift:
    """The newest calls of the window, of one release or of all, against those before it.

    Reads at most a thousand calls whose content was kept, never what is older than an app's
    retention.
    """
    since = (now or utcnow()) - window
    mine = [col(Trace.app_id) == app.id]
    ours = [*mine, *([col(Trace.release) == release] if release is not None else [])]
    later = _read(session, [*ours, col(Trace.at) >= since], newest=True)
    reference: Literal["release", "week"] = "release"
    earlier = _Read(Side(0, None, None, 0), [])
    if release is not None:
        earlier = _read(session, [*ours, col(Trace.at) < since], newest=False)
    if earlier.side.n < LEAST:
        reference = "week"
        week = [col(Trace.at) >= since - WEEK, col(Trace.at) < since]
        earlier = _read(session, [*mine, *week], newest=True)
    enough = min(earlier.side.n, later.side.n) >= LEAST
    fields = drift(earlier.calls, later.calls) if enough else ()
    return InputDrift(reference, earlier.side, later.side, fields)


def _read(session: Session, wanted: Sequence[ColumnElement[bool]], *, newest: bool) -> _Read:
    """What is kept of each call; the texts themselves are let go of at once."""
    at = col(Trace.at)
    fitting = _contents(
        (Trace.at, TraceContent.inputs, TraceContent.given), wanted, _SIZE <= LONGEST
    )
    fitting = fitting.order_by(at.desc() if newest else at).limit(MOST)
    moments: list[datetime] = []
    calls: list[dict[str, Seen]] = []
    for moment, inputs, given in session.exec(fitting.execution_options(yield_per=_PART)):
        moments.append(moment)
        calls.append(seen_in(inputs, given))
    if not calls:
        return _Read(Side(0, None, None, 0), [])
    first, last = min(moments), max(moments)
    between = [*wanted, at >= first, at <= last]
    left_out = session.exec(_contents((func.count(),), between, _SIZE > LONGEST)).one()
    return _Read(Side(len(calls), first, last, left_out), calls)


_SIZE = func.length(cast(col(TraceContent.inputs), Text)) + func.length(
    cast(col(TraceContent.given), Text)
)


def _contents(columns: Any, wanted: Sequence[ColumnElement[bool]], size: Any) -> Any:
    query: Any = select(*columns).select_from(Trace)
    return query.join(TraceContent, col(TraceContent.id) == col(Trace.id)).where(*wanted, size)
