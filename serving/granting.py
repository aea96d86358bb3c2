"""The tables of limits: what processes take from them and give back, in one transaction for all.

The row of the key is locked first and keys come in the order of their ids, so that processes never
wait for each other in a ring.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, insert, update
from sqlmodel import Session, col, select

from core.clock import utcnow
from serving.allotments import REQUESTS, STREAMS, TOKENS, decide, portion
from serving.models import ApiKey, KeyUse, StreamLease

LEASE_SECONDS = 15
Place = tuple[str, int]
"""A meter and the number of its window."""


class Share(NamedTuple):
    """A limit as the process that asks sees it; `held` counts the streams of its lease."""

    meter: str
    window: int
    limit: int
    have: int
    held: int


class Ask(NamedTuple):
    """Calls that wait, by what each needs of every share."""

    shares: tuple[Share, ...]
    needs: tuple[tuple[int, ...], ...]


class Due(NamedTuple):
    """What is given back of a window; below zero what was spent beyond what was taken."""

    meter: str
    window: int
    amount: int


class Work(NamedTuple):
    """What is to be done for one key; `held` is the lease of streams to write, if any."""

    key_id: str
    ask: Ask | None = None
    dues: tuple[Due, ...] = ()
    held: int | None = None
    used: bool = False


class Grant(NamedTuple):
    """What was taken for each share, what the tables have left of it, and who was refused why."""

    taken: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    short: tuple[int | None, ...] = ()


def carry_out(session: Session, process: str, works: Sequence[Work]) -> list[Grant | None]:
    """Do all of it, and answer in the order of `works`; None for a key that is not there."""
    order = sorted(range(len(works)), key=lambda at: works[at].key_id)
    done = {at: _one(session, process, works[at], utcnow()) for at in order}
    return [done[at] for at in range(len(works))]


def _one(session: Session, process: str, work: Work, now: datetime) -> Grant | None:
    key = select(ApiKey.id).where(col(ApiKey.id) == work.key_id)
    if session.exec(key.with_for_update(key_share=True)).first() is None:
        return None
    if work.used:
        mine = update(ApiKey).where(col(ApiKey.id) == work.key_id)
        session.connection().execute(mine.values(last_used_at=now))
    changes = Counter[Place]()
    for due in work.dues:
        changes[due.meter, due.window] -= due.amount
    granted = _granted(session, work)
    grant, held = Grant(), work.held
    if work.ask is not None:
        others = _others(session, work.key_id, process, now) if _streams(work.ask) else 0
        grant = _grant(work.ask, granted, others)
        for share, taken in zip(work.ask.shares, grant.taken, strict=True):
            if share.meter == STREAMS:
                held = share.held + taken
            else:
                changes[share.meter, share.window] += taken
    _change(session, work.key_id, granted, changes)
    if held is not None:
        _hold(session, work.key_id, process, held, now)
    return grant


def _streams(ask: Ask) -> bool:
    return any(share.meter == STREAMS for share in ask.shares)


def _granted(session: Session, work: Work) -> dict[Place, int]:
    shares = work.ask.shares if work.ask else ()
    places = {(one.meter, one.window) for one in (*work.dues, *shares)}
    if not places:
        return {}
    windows = [window for _, window in places]
    found = session.exec(
        select(KeyUse.meter, KeyUse.window, KeyUse.granted).where(
            col(KeyUse.key_id) == work.key_id, col(KeyUse.window).in_(windows)
        )
    )
    return {(meter, window): granted for meter, window, granted in found}


def _grant(ask: Ask, granted: Mapping[Place, int], others: int) -> Grant:
    left = [
        share.limit - (others + share.held if share.meter == STREAMS else granted.get(share[:2], 0))
        for share in ask.shares
    ]
    have = [share.have for share in ask.shares]
    decision = decide([h + n for h, n in zip(have, left, strict=True)], ask.needs)
    missing = [spent - h for spent, h in zip(decision.spent, have, strict=True)]
    taken = [portion(m, n) for m, n in zip(missing, left, strict=True)]
    rest = tuple(n - t for n, t in zip(left, taken, strict=True))
    return Grant(tuple(taken), rest, decision.short)


def _change(
    session: Session, key_id: str, granted: Mapping[Place, int], changes: Mapping[Place, int]
) -> None:
    for (meter, window), more in changes.items():
        if not more:
            continue
        mine = (col(KeyUse.key_id) == key_id, col(KeyUse.meter) == meter)
        if (meter, window) in granted:
            row = update(KeyUse).where(*mine, col(KeyUse.window) == window)
            session.connection().execute(row.values(granted=KeyUse.granted + more))
        else:
            row = {"key_id": key_id, "meter": meter, "window": window, "granted": more}
            session.connection().execute(insert(KeyUse).values(row))
            if meter in (REQUESTS, TOKENS):
                session.connection().execute(
                    delete(KeyUse).where(*mine, col(KeyUse.window) < window - 1)
                )


def _others(session: Session, key_id: str, process: str, now: datetime) -> int:
    rows = session.exec(
        select(StreamLease.process, StreamLease.held, StreamLease.until).where(
            col(StreamLease.key_id) == key_id, col(StreamLease.process) != process
        )
    ).all()
    for owner, _, until in rows:
        if until <= now:
            session.connection().execute(_lease(key_id, owner))
    return sum(held for _, held, until in rows if until > now)


def _lease(key_id: str, process: str):
    return delete(StreamLease).where(
        col(StreamLease.key_id) == key_id, col(StreamLease.process) == process
    )


def _hold(session: Session, key_id: str, process: str, held: int, now: datetime) -> None:
    """Write the lease anew, also where others took it for dead."""
    session.connection().execute(_lease(key_id, process))
    if held > 0:
        until = now + timedelta(seconds=LEASE_SECONDS)
        row = {"key_id": key_id, "process": process, "held": held, "until": until}
        session.connection().execute(insert(StreamLease).values(row))
