"""Cases that reviewers collect for data sets, added as one version.

They wait in the decisions themselves, so that eighteen presses make one version, and a crash
between loses none.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from core.database import Database
from core.errors import Conflict
from evalsets.datasets.adding import Added, NewCase, prepare, store
from serving.cases import Releases, trace_case
from serving.models import App, Review, Trace
from serving.service import operations_of
from serving.traces import whole

_ADDED = "@"
"""In `Review.dataset`: a name alone is collected, one with its version is added."""
_TRIES = 5
_MOST_AT_ONCE = 5000


class Collected(NamedTuple):
    """Cases that wait to be added to a data set."""

    dataset: str
    cases: int


def is_added(row: Review) -> bool:
    """Whether the case of a decision stands in a version, which never changes."""
    return row.dataset is not None and _ADDED in row.dataset


def dataset_of(session: Session, app: str) -> str:
    """Where an app's failures go: its set of known failures, else one named after it."""
    found = session.exec(select(App).where(App.name == app)).first()
    failed = None if found is None else operations_of(found).failed_set
    return f"{app}-failures" if failed is None else failed.dataset


def collected(session: Session, app_id: str | None = None) -> list[Collected]:
    """What waits, by data set; of one app or of all."""
    name = col(Review.dataset)
    query: Any = select(name, func.count()).where(name.not_like(f"%{_ADDED}%"))
    if app_id is not None:
        query = query.where(Review.app_id == app_id)
    return [Collected(*row) for row in session.exec(query.group_by(name).order_by(name))]


def add_collected(database: Database, actor: str, dataset: str) -> Added | None:
    """Add all cases that were collected for a data set as one version; None if there is none."""
    for turn in range(_TRIES):
        with database.read_scope() as session:
            waiting = _waiting(session, dataset)
        cases = [one.case for one in waiting.values() if one.case is not None]
        if not cases:
            return None
        ready = prepare(database, dataset, cases)
        try:
            with database.session_scope(actor) as session:
                added = store(session, ready, f"{len(cases)} from reviews")
                _mark(session, dataset, waiting, added.version.ref)
                return added
        except Conflict:
            if turn == _TRIES - 1:
                raise
    raise AssertionError


class _Waiting(NamedTuple):
    """A decision's moment and its case; None where what was said is gone."""

    at: datetime
    case: NewCase | None


def _waiting(session: Session, dataset: str) -> dict[str, _Waiting]:
    """What was collected first, by request id."""
    query = select(Review).where(Review.dataset == dataset).order_by(col(Review.at))
    decided = {row.trace_id: row.at for row in session.exec(query.limit(_MOST_AT_ONCE))}
    rows = session.exec(select(Trace).where(col(Trace.id).in_(list(decided)))).all()
    rows = sorted(rows, key=lambda row: decided[row.id])
    releases = Releases(session)
    return {
        one.row.id: _Waiting(decided[one.row.id], trace_case(releases, one))
        for one in whole(session, rows)
    }


def _mark(session: Session, dataset: str, waiting: Mapping[str, _Waiting], ref: str) -> None:
    """Say in each decision where its case stands; Conflict if one was changed meanwhile."""
    query = select(Review).where(Review.dataset == dataset, col(Review.trace_id).in_(list(waiting)))
    rows = list(session.exec(query.with_for_update()))
    standing = [row for row in rows if row.at == waiting[row.trace_id].at]
    if len(standing) < len(waiting):
        raise Conflict(f"A decision about {dataset} was changed. Press once more.")
    for row in rows:
        row.dataset = None if waiting[row.trace_id].case is None else ref
        session.add(row)
    session.flush()
