"""Quantiles of the times of calls, exact up to a million calls of a window.

The numbers are read once, in parts, into arrays of 24 bytes a call: SQLite takes twice the time
to sort them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from serving.models import Trace

MOST_READ = 1_000_000
_PART = 10_000
_POINTS = (0.5, 0.95, 0.99)


class Quantiles(NamedTuple):
    """Of `n` values in milliseconds, by linear interpolation; `newest`: of the newest calls only,
    because there were more than could be read."""

    n: int
    p50: float
    p95: float
    p99: float
    newest: bool = False


class Times(NamedTuple):
    """How long answers took as a whole, and to their first token where they were streamed."""

    latency: Quantiles | None
    ttft: Quantiles | None


def times_by_release(
    session: Session, wanted: Sequence[ColumnElement[bool]]
) -> dict[int | None, Times]:
    """Times of succeeded calls by release, and of all under None."""
    parts = list(_parts(session, wanted))
    if not parts:
        return {}
    releases, latency, ttft = (np.concatenate(column) for column in zip(*parts, strict=True))
    cut = len(releases) >= MOST_READ
    found: dict[int | None, Times] = {None: Times(of(latency, cut), of(ttft, cut))}
    for release in np.unique(releases).tolist():
        mine = releases == release
        found[int(release)] = Times(of(latency[mine], cut), of(ttft[mine], cut))
    return found


Array = NDArray[np.float64]


class _Part(NamedTuple):
    releases: Array
    latency: Array
    ttft: Array


def _parts(session: Session, wanted: Sequence[ColumnElement[bool]]) -> Iterator[_Part]:
    query: Any = select(Trace.release, Trace.latency_ms, Trace.ttft_ms).where(
        *wanted, col(Trace.state) == "succeeded"
    )
    newest = query.order_by(col(Trace.at).desc()).limit(MOST_READ)
    with session.connection().execute(newest) as result:
        # From the driver itself: rows of numbers need nothing that SQLAlchemy would do to each.
        cursor: Any = result.cursor
        while rows := cursor.fetchmany(_PART):
            yield _Part(*(np.array(values, dtype=np.float64) for values in zip(*rows, strict=True)))


def of(values: Array, newest: bool = False) -> Quantiles | None:
    """Quantiles of the values that are there (no NaN); None without one."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    p50, p95, p99 = np.quantile(known, _POINTS).tolist()
    return Quantiles(len(known), p50, p95, p99, newest)
