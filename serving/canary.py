"""Canaries: which calls a candidate release gets, what came of them, the end of a losing one."""

import hashlib
import time
import weakref
from collections import Counter
from typing import Any, NamedTuple

from sqlalchemy import Engine, func, or_
from sqlmodel import Session, col, select

from core.clock import utcnow
from serving.aliases import end_canary
from serving.canary_rule import Arm, CanaryFigures, Compared, Decision, decide
from serving.lookup import need_app
from serving.models import App, AppAlias, AppAliasMove, Trace

SPARING = 100
MOST_SECONDS = 300.0
"""A look costs as much as there are calls: a canary is looked at when 1 % of its age has passed."""

_LOOKED: "weakref.WeakKeyDictionary[Engine, dict[int, float]]" = weakref.WeakKeyDictionary()


class Losing(NamedTuple):
    """A canary that has lost, and the move that began it."""

    app: str
    alias: str
    move: int | None
    figures: CanaryFigures
    decision: Decision


def takes_canary(app_id: str, alias: str, canary: int, sticky: str, percent: int) -> bool:
    """Whether the caller `sticky` (a user, else the request id) is among `percent` of all.

    The same caller always is or is not, for one canary of one alias; the next canary draws anew.
    """
    text = f"{app_id}|{alias}|{canary}|{sticky}"
    drawn = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")
    return drawn < percent * (1 << 64) // 100


def canary_figures(session: Session, alias: AppAlias) -> CanaryFigures | None:
    """What both arms did since the canary began; None when there is no canary."""
    if alias.canary is None or alias.canary_since is None:
        return None
    ratings = _ratings(session, alias)
    arms = (
        Arm(release, *_calls(session, alias, release, canary), *ratings[canary])
        for release, canary in ((alias.canary, True), (alias.release, False))
    )
    return CanaryFigures(alias.canary_since, alias.percent, *arms)


def _mine(alias: AppAlias) -> list[Any]:
    return [
        Trace.app_id == alias.app_id,
        Trace.alias == alias.name,
        col(Trace.at) >= alias.canary_since,
    ]


def _calls(session: Session, alias: AppAlias, release: int, canary: bool) -> tuple[int, int, int]:
    """Calls, those with an error, and how many callers met one."""
    failed = or_(col(Trace.status) >= 500, col(Trace.state) == "failed")
    wanted = [*_mine(alias), Trace.release == release, col(Trace.canary).is_(canary)]
    sums: Any = select(func.count(), func.count().filter(failed)).where(*wanted)
    calls, errors = session.exec(sums).one()
    if not errors:
        return calls, 0, 0
    caller = func.coalesce(col(Trace.user), col(Trace.id))
    failing = select(func.count(func.distinct(caller))).where(*wanted, failed)
    return calls, errors, session.exec(failing).one()


def _ratings(session: Session, alias: AppAlias) -> dict[bool, tuple[int, int]]:
    """Good and bad of each arm, a user's newest rating alone: a user stays in one arm, and twenty
    ratings of one person are not those of twenty."""
    columns: Any = (Trace.canary, Trace.release, Trace.user, Trace.id, Trace.rating)
    query: Any = (
        select(*columns)
        .where(*_mine(alias), col(Trace.rating).in_(("good", "bad")))
        .order_by(col(Trace.id))
    )
    arms = {(True, alias.canary), (False, alias.release)}
    newest: dict[tuple[bool, str], str | None] = {}
    for canary, release, user, trace_id, rating in session.exec(query):
        if (canary, release) in arms:
            newest[canary, user or trace_id] = rating
    votes = Counter((canary, rating) for (canary, _), rating in newest.items())
    return {canary: (votes[canary, "good"], votes[canary, "bad"]) for canary in (True, False)}


def losing_canaries(session: Session) -> list[Losing]:
    """Every canary that has lost by now; one that was looked at just before waits its turn."""
    looked = _LOOKED.setdefault(session.get_bind().engine, {})
    found: list[Losing] = []
    query = select(App, AppAlias).where(
        App.id == AppAlias.app_id, col(AppAlias.canary).is_not(None)
    )
    running = list(session.exec(query))
    for gone in looked.keys() - {alias.canary_move for _, alias in running}:
        del looked[gone]
    for app, alias in running:
        if not _due(looked, alias):
            continue
        figures = canary_figures(session, alias)
        if figures is not None and (decision := decide(figures)).stop:
            found.append(Losing(app.name, alias.name, alias.canary_move, figures, decision))
    return found


def _due(looked: dict[int, float], alias: AppAlias) -> bool:
    assert alias.canary_since is not None
    age = (utcnow() - alias.canary_since).total_seconds()
    move, now = alias.canary_move or 0, time.monotonic()
    if now - looked.get(move, -MOST_SECONDS) < min(age / SPARING, MOST_SECONDS):
        return False
    looked[move] = now
    return True


def stop_canaries(session: Session, losing: list[Losing]) -> list[AppAliasMove]:
    """Give the calls of these back to the releases before them, with the figures as evidence."""
    stopped: list[AppAliasMove] = []
    for one in losing:
        app = need_app(session, one.app, lock=True)
        alias = session.get(AppAlias, (app.id, one.alias), populate_existing=True)
        if alias is None or alias.canary_move != one.move:
            continue  # somebody was faster, or began another
        move = end_canary(
            session, one.app, one.alias, win=False, reason=one.decision.why, evidence=evidence(one)
        )
        stopped += [move] if move is not None else []
    return stopped


def judge_canaries(session: Session) -> list[AppAliasMove]:
    """End every canary that has lost by now; the moves that ended them."""
    return stop_canaries(session, losing_canaries(session))


def evidence(losing: Losing) -> dict[str, Any]:
    """What the move keeps of a decision, as JSON."""
    figures, decision = losing.figures, losing.decision
    return {
        "kind": "canary",
        "why": decision.why,
        "since": figures.since.isoformat(),
        "percent": figures.percent,
        "canary": figures.canary._asdict(),
        "stable": figures.stable._asdict(),
        "good": _json(decision.good),
        "errors": _json(decision.errors),
    }


def _json(compared: Compared) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in compared._asdict().items()
    }
