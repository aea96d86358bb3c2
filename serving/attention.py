"""What of published apps waits for a person: alarms, lost canaries, refusals, ending models."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session, col, select

from connectors.prices import is_ending
from connectors.service import list_models
from core.models import AuditRow
from serving.alert_rule import length_of
from serving.alerts import Told, told_alerts
from serving.models import App, AppAliasMove
from serving.service import operations_of
from serving.uses import apps_using

_LOOK_BACK = timedelta(days=7)
_MOST = 20


class Stopped(NamedTuple):
    """A canary that lost, while nobody has moved its alias since; `why` is worse or errors."""

    app: str
    alias: str
    release: int
    why: str
    at: datetime


class Refused(NamedTuple):
    """A promotion below its gate, while nobody has moved the alias since."""

    app: str
    alias: str
    release: int
    failures: tuple[str, ...]
    at: datetime


class Alarm(NamedTuple):
    """An alert that was told of the window that runs."""

    app: str
    told: Told


class Ending(NamedTuple):
    """An app that answers, or would, with a model that its provider has deprecated."""

    app: str
    model: str


class Waiting(NamedTuple):
    """All that waits."""

    alarms: tuple[Alarm, ...]
    stopped: tuple[Stopped, ...]
    refused: tuple[Refused, ...]
    ending: tuple[Ending, ...]


def alarms(session: Session, app: App, now: datetime) -> list[Alarm]:
    """The alerts of an app that were told of the window that runs now."""
    if not operations_of(app).alerts:
        return []
    told = told_alerts(session, app)
    return [Alarm(app.name, one) for one in told if now < one.start + length_of(one.alert)]


def waiting(session: Session, now: datetime) -> Waiting:
    """What needs a look, of all apps, the newest first."""
    apps = {app.id: app for app in session.exec(select(App))}
    on = [one for app in apps.values() for one in alarms(session, app, now)]
    since = now - _LOOK_BACK
    query = select(AppAliasMove).where(col(AppAliasMove.at) > since)
    newest: dict[tuple[str, str], AppAliasMove] = {}
    for move in session.exec(query.order_by(col(AppAliasMove.id).desc())):
        newest.setdefault((move.app_id, move.alias), move)
    stopped = [
        Stopped(apps[move.app_id].name, move.alias, move.from_release or 0, move.reason, move.at)
        for move in newest.values()
        if move.kind == "canary_stop" and move.app_id in apps
    ]
    return Waiting(
        tuple(on),
        tuple(stopped[:_MOST]),
        tuple(_refused(session, apps, newest, since)),
        tuple(ending(session)[:_MOST]),
    )


def ending(session: Session, app: str | None = None) -> list[Ending]:
    """Deprecated models that apps use, or that one app does."""
    names = [model.name for model in list_models(session) if is_ending(model.settings)]
    using = (Ending(use.app, name) for name in names for use in apps_using(session, "model", name))
    return [one for one in using if app in (None, one.app)]


def _refused(
    session: Session,
    apps: dict[str, App],
    newest: dict[tuple[str, str], AppAliasMove],
    since: datetime,
) -> list[Refused]:
    ids = {app.name: app.id for app in apps.values()}
    query = (
        select(AuditRow)
        .where(AuditRow.action == "app.promote_refused", col(AuditRow.at) > since)
        .order_by(col(AuditRow.id).desc())
        .limit(_MOST)
    )
    found: dict[tuple[str, str], Refused] = {}
    for row in session.exec(query):
        alias = str(row.detail["alias"])
        moved = newest.get((ids.get(row.object, ""), alias))
        if row.object in ids and (moved is None or moved.at < row.at):
            failures = tuple(map(str, row.detail["failures"]))
            refused = Refused(row.object, alias, int(row.detail["release"]), failures, row.at)
            found.setdefault((row.object, alias), refused)
    return list(found.values())
