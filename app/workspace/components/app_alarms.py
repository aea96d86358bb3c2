"""Alerts of apps that were told, and what else of apps waits for a person, in words."""

from decimal import Decimal

import streamlit as st

from app.workspace.components import access, navigation, numbers, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw
from core.clock import utcnow
from serving.alerts import Told
from serving.attention import Refused, Stopped, Waiting, waiting
from serving.settings import Alert

SHARES = ("error_rate", "share_good")


def alert(one: Alert) -> str:
    """An alert in one line."""
    return raw(
        f"apps.alert_{one.figure}", bound=value(one, one.bound), minutes=one.window_minutes,
        least=numbers.count(one.least), url=one.url,
    )  # fmt: skip


def value(one: Alert, found: float) -> str:
    """A figure of an alert with its unit."""
    if one.figure in SHARES:
        return numbers.percent(found)
    if one.figure == "cost_day_usd":
        return numbers.money(Decimal(str(found)))
    return numbers.span(found)


def spelled(told: Told) -> str:
    """What was beyond which bound, when, and whether its address knows."""
    return raw(
        "apps.told" if told.delivered else "apps.told_lost", alert=alert(told.alert),
        when=numbers.ago(told.at), value=value(told.alert, told.value),
    )  # fmt: skip


def found() -> Waiting | None:
    """What waits for who looks; None where nothing does."""
    if not navigation.sees("apps"):
        return None
    with access.reading() as session:
        all_of_it = waiting(session, utcnow())
    return all_of_it if any(all_of_it) else None


def draw(all_of_it: Waiting) -> None:
    """A card each."""
    for alarm in all_of_it.alarms:
        _card(alarm.app, spelled(alarm.told), ":material/notifications_active:")
    for stopped in all_of_it.stopped:
        _card(stopped.app, _stopped(stopped), ":material/call_split:")
    for refused in all_of_it.refused:
        _card(refused.app, _refused(refused), ":material/block:")
    for one in all_of_it.ending:
        _card(one.app, ends(one.model), ":material/event_busy:")


def _card(app: str, what: str, icon: str) -> None:
    with st.container(border=True, gap="xsmall"):
        url.link("apps", plain(app), icon=icon, id=app)
        st.caption(plain(what))


def ends(model: str) -> str:
    """That a model is taken away some day."""
    return raw("apps.model_ends", model=model)


def _stopped(one: Stopped) -> str:
    why = raw(f"apps.why_{one.why}") if one.why in ("worse", "errors") else one.why
    return raw("apps.was_stopped", n=one.release, alias=one.alias, why=why)


def _refused(one: Refused) -> str:
    why = " ".join(one.failures)
    return raw("apps.was_refused", n=one.release, alias=one.alias, why=why)
