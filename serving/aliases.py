"""Aliases of an app: promoted with evidence, tried as canaries, rolled back; each move is kept."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from core.audit import actor_of, record
from core.clock import utcnow
from core.errors import Conflict, Invalid
from core.names import check_alias
from prompts.about import kept_text
from serving.lookup import DEFAULT_ALIAS, need_app, need_release, touch_serving
from serving.models import App, AppAlias, AppAliasMove


class Target(NamedTuple):
    """Which alias of which app should point where."""

    app: App
    alias: str
    release: int


def promote(
    session: Session,
    name: str,
    ref: str | int,
    alias: str,
    *,
    canary: int | None = None,
    reason: str = "",
    evidence: Mapping[str, Any] | None = None,
) -> AppAliasMove | None:
    """Point `alias` at a release; with `canary` (percent, 1 to 99) give it that share of the calls.

    None if it is so already. Whatever a gate demands was checked before (`serving.gates`). Raises
    Conflict for a canary of an alias that points nowhere, or at this very release.
    """
    app, alias, number = _target(session, name, ref, alias)
    row = session.get(AppAlias, (app.id, alias))
    if canary is not None:
        return _begin_canary(session, app, row, alias, number, canary, reason, evidence)
    if row is not None and row.release == number and row.canary is None:
        return None
    before = row.release if row else None
    row = row or AppAlias(app_id=app.id, name=alias, release=number)
    row.release = number
    _no_canary(row)
    session.add(row)
    return _moved(session, app, alias, "promote", before, number, reason, evidence)


def _target(session: Session, name: str, ref: str | int, alias: str) -> Target:
    app = need_app(session, name, lock=True)
    return Target(app, check_alias(alias), need_release(session, app, ref).number)


def _begin_canary(
    session: Session,
    app: App,
    row: AppAlias | None,
    alias: str,
    number: int,
    percent: int,
    reason: str,
    evidence: Mapping[str, Any] | None,
) -> AppAliasMove:
    if not 1 <= percent <= 99:
        raise Invalid("A canary takes 1 to 99 percent. Promote for all calls.", param="canary")
    if row is None:
        raise Conflict(
            f"{app.name}@{alias} points nowhere, so there is nothing to compare a canary with. "
            "Promote a release first."
        )
    if row.release == number:
        raise Conflict(f"{app.name}@{alias} is release {number} already. Choose another release.")
    move = _moved(
        session, app, alias, "canary", row.release, number, reason, evidence, percent=percent
    )
    row.canary, row.percent = number, percent
    row.canary_since, row.canary_move = utcnow(), move.id
    session.add(row)
    return move


def end_canary(
    session: Session, name: str, alias: str, *, win: bool, reason: str = "",
    evidence: Mapping[str, Any] | None = None,
) -> AppAliasMove | None:  # fmt: skip
    """Give all calls to the canary (`win`) or to the release before it; None if there is none."""
    app = need_app(session, name, lock=True)
    row = session.get(AppAlias, (app.id, alias))
    if row is None or row.canary is None:
        return None
    canary, stable = row.canary, row.release
    row.release = canary if win else stable
    _no_canary(row)
    session.add(row)
    kind = "canary_win" if win else "canary_stop"
    before, after = (stable, canary) if win else (canary, stable)
    return _moved(session, app, alias, kind, before, after, reason, evidence)


def rollback_target(session: Session, name: str, alias: str = DEFAULT_ALIAS) -> int:
    """The release that a rollback would go to: where the alias pointed before; raises Conflict."""
    app = need_app(session, name)
    row = session.get(AppAlias, (app.id, alias))
    if row is None:
        raise Conflict(f"{name}@{alias} points nowhere. Promote a release first.")
    if row.canary is not None:
        return row.release
    for move in moves(session, app, alias):
        before = move.from_release
        arrived = move.kind in ("promote", "canary_win") and move.to_release == row.release
        if arrived and before is not None and before != row.release:
            return before
    raise Conflict(f"{name}@{alias} had no release before {row.release}. There is no way back.")


def rollback(
    session: Session, name: str, alias: str = DEFAULT_ALIAS, *, reason: str = ""
) -> AppAliasMove:
    """Point an alias back to where it pointed before; a running canary is ended instead."""
    app = need_app(session, name, lock=True)
    to = rollback_target(session, name, alias)
    row = session.get(AppAlias, (app.id, alias))
    assert row is not None
    before = row.canary if row.canary is not None else row.release
    row.release = to
    _no_canary(row)
    session.add(row)
    return _moved(session, app, alias, "rollback", before, to, reason, None)


def remove_alias(session: Session, name: str, alias: str) -> None:
    """Take an alias away: calls of it are answered with 404 from then on. Audited."""
    app = need_app(session, name, lock=True)
    row = session.get(AppAlias, (app.id, alias))
    if row is not None:
        session.delete(row)
        record(session, "app.alias_remove", name, {"alias": alias, "release": row.release})
        touch_serving(session)


def moves(session: Session, app: App, alias: str | None = None) -> list[AppAliasMove]:
    """The moves of an app's aliases, newest first."""
    query = select(AppAliasMove).where(AppAliasMove.app_id == app.id)
    if alias is not None:
        query = query.where(AppAliasMove.alias == alias)
    return list(session.exec(query.order_by(col(AppAliasMove.id).desc())))


def _no_canary(row: AppAlias) -> None:
    row.canary, row.percent, row.canary_since, row.canary_move = None, 0, None, None


def _moved(
    session: Session,
    app: App,
    alias: str,
    kind: str,
    before: int | None,
    after: int,
    reason: str,
    evidence: Mapping[str, Any] | None,
    *,
    percent: int | None = None,
) -> AppAliasMove:
    move = AppAliasMove(
        app_id=app.id,
        alias=alias,
        kind=kind,
        from_release=before,
        to_release=after,
        percent=percent,
        reason=kept_text(reason, "reason"),
        evidence=None if evidence is None else dict(evidence),
        actor=actor_of(session),
    )
    session.add(move)
    detail: dict[str, object] = {"alias": alias, "from": before, "to": after, "reason": reason}
    record(session, f"app.{kind}", app.name, {**detail, "percent": percent})
    touch_serving(session)
    session.flush()
    return move
