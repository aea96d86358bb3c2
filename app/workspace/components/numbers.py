"""Numbers as people read them, in the reader's language, and moments in their zone."""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from app.telling import figures
from app.telling.figures import MINUS as MINUS
from app.telling.figures import MISSING as MISSING
from app.telling.figures import Interval
from app.telling.figures import between as between
from app.telling.figures import count as count
from app.telling.figures import p_value as p_value
from app.telling.figures import percent as percent
from app.telling.figures import short_count as short_count
from app.telling.figures import signed as signed
from app.telling.figures import span as span
from app.workspace.strings import raw
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.verdict import ArmShare


def share(value: float | None, ci95: Interval, n: int) -> str:
    """78% (69–85), n = 96"""
    return figures.share(raw, value, ci95, n)


def difference(value: float | None, ci95: Interval) -> str:
    """+17 points (+6 to +28)"""
    return figures.difference(raw, value, ci95)


def gap(one: Comparison) -> str:
    """+17 points (+6 to +28), or a plain number where scores are no shares"""
    return figures.gap(raw, one)


def arm_share(arm: ArmShare) -> str:
    """78% (69–85), n = 96, or 0.83 ± 0.04, n = 96"""
    return figures.arm_share(raw, arm)


def score(mean: float | None, ci95: Interval = None) -> str:
    """0.83 ± 0.04"""
    return figures.score(raw, mean, ci95)


def money(value: Decimal | str | None) -> str:
    """$1.84, two significant digits below a cent, or "unpriced" """
    return figures.money(raw, value)


def ago(moment: datetime | None) -> str:
    """3 min ago"""
    if moment is None:
        return MISSING
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if seconds < 60:
        return raw("numbers.just_now")
    if seconds < 3600:
        return raw("numbers.minutes_ago", n=int(seconds // 60))
    if seconds < 86_400:
        return raw("numbers.hours_ago", n=int(seconds // 3600))
    if seconds < 30 * 86_400:
        return raw("numbers.days_ago", n=int(seconds // 86_400))
    return moment.astimezone(zone()).strftime("%Y-%m-%d")


def moment(value: datetime | None) -> str:
    """2026-11-22 17:03 with its zone, local to the reader"""
    if value is None:
        return MISSING
    local = value.astimezone(zone())
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"


def zone() -> tzinfo:
    """The reader's time zone, or UTC where the browser names none."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
