"""Alerts of apps: figures of the last and the running window, told once a window by webhook."""

import asyncio
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete
from sqlmodel import Session, col, select

from connectors.access import is_allowed
from connectors.address import RefusedAddress
from connectors.webhook import WebhookClient
from connectors.webhook_address import parse_webhook
from core.canonical import Json
from core.clock import utcnow
from core.database import Database
from core.errors import NotFound
from serving.alert_figures import measured
from serving.alert_rule import Window, alert_key, breached, window_of, windows
from serving.lookup import need_app
from serving.models import AlertState, App
from serving.service import operations_of
from serving.settings import Alert

ACTOR = "system:alerts"
PAUSES = (0.5, 2.0)
"""Seconds before the second and the third try."""


class Due(NamedTuple):
    """An alert beyond its bound in a window in which it was not told yet."""

    app_id: str
    app: str
    alert: Alert
    window: Window
    value: float
    n: int
    local_allowed: bool


class Told(NamedTuple):
    """An alert as it was told last: of the window from `start`, and whether its address took it."""

    alert: Alert
    start: datetime
    value: float
    delivered: bool
    at: datetime


def due_alerts(session: Session, now: datetime) -> list[Due]:
    """Alerts of all apps that are beyond their bound and were not told in this window."""
    found: list[Due] = []
    for app in session.exec(select(App).order_by(col(App.name))):
        if not app.operations.get("alerts"):
            continue
        for alert in operations_of(app).alerts:
            due = _due(session, app, alert, now)
            found += [due] if due is not None else []
    return found


def _due(session: Session, app: App, alert: Alert, now: datetime) -> Due | None:
    state = session.get(AlertState, (app.id, alert_key(alert)))
    for window in windows(alert, now):
        if state is not None and state.window >= window.number:
            continue
        figure = measured(session, app.id, alert, window)
        if figure.value is not None and breached(alert, figure):
            allowed = _allowed(session, alert.url)
            return Due(app.id, app.name, alert, window, figure.value, figure.n, allowed)
    return None


def _allowed(session: Session, url: str) -> bool:
    try:
        return is_allowed(session, parse_webhook(url).server.url)
    except RefusedAddress:
        return False


def claim(session: Session, due: Due) -> bool:
    """Take the telling of an alert on; False when another process has, or the app is gone."""
    try:
        app = need_app(session, due.app, lock=True)
    except NotFound:
        return False
    key = alert_key(due.alert)
    keys = [alert_key(alert) for alert in operations_of(app).alerts]
    gone = delete(AlertState).where(
        col(AlertState.app_id) == app.id, col(AlertState.alert).not_in(keys)
    )
    session.connection().execute(gone)
    state = session.get(AlertState, (app.id, key), populate_existing=True)
    if key not in keys or (state is not None and state.window >= due.window.number):
        return False
    state = state or AlertState(app_id=app.id, alert=key, window=0, value=0)
    state.window, state.value = due.window.number, due.value
    state.delivered, state.at = False, utcnow()
    session.add(state)
    session.flush()
    return True


def delivered(session: Session, due: Due) -> None:
    """Note that an alert's address took it."""
    state = session.get(AlertState, (due.app_id, alert_key(due.alert)))
    if state is not None and state.window == due.window.number:
        state.delivered = True
        session.add(state)


def told_alerts(session: Session, app: App) -> list[Told]:
    """The alerts of an app that were told, each as it was last, in the order of its settings."""
    found: list[Told] = []
    for alert in operations_of(app).alerts:
        state = session.get(AlertState, (app.id, alert_key(alert)))
        if state is not None:
            start = window_of(alert, state.window).start
            found.append(Told(alert, start, state.value, state.delivered, state.at))
    return found


def message(due: Due) -> dict[str, Json]:
    """What a webhook is sent; `text` is what chat tools show."""
    alert, window = due.alert, due.window
    side = "below" if alert.figure == "share_good" else "above"
    said = f"{alert.figure} is {due.value:.4g}, {side} {alert.bound:g} (n = {due.n})"
    return {
        "app": due.app,
        "figure": alert.figure,
        "value": due.value,
        "bound": alert.bound,
        "n": due.n,
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "link": f"/apps?id={due.app}&tab=alerts",
        "text": f"{due.app}: {said} since {window.start:%Y-%m-%d %H:%M} UTC",
    }


async def tell_due(database: Database, now: datetime | None = None) -> list[Due]:
    """Tell what is due, each by up to three tries; what no address took stays undelivered."""
    due = await asyncio.to_thread(_claimed, database, now or utcnow())
    if due:
        async with WebhookClient() as client:
            await asyncio.gather(*(_tell(database, client, one) for one in due))
    return due


def _claimed(database: Database, now: datetime) -> list[Due]:
    with database.read_scope() as session:
        due = due_alerts(session, now)
    if not due:
        return []
    with database.session_scope(ACTOR) as session:
        return [one for one in due if claim(session, one)]


async def _tell(database: Database, client: WebhookClient, due: Due) -> None:
    for pause in (*PAUSES, None):
        came = await client.post(due.alert.url, message(due), local_allowed=due.local_allowed)
        if came.delivered:
            await asyncio.to_thread(_note_delivered, database, due)
        if came.delivered or not came.again or pause is None:
            return
        await asyncio.sleep(pause)


def _note_delivered(database: Database, due: Due) -> None:
    with database.session_scope(ACTOR) as session:
        delivered(session, due)
