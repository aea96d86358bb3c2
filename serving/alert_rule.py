"""When an alert is due: its window, its bound. Pure."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from core.canonical import content_hash
from serving.settings import Alert

GRACE = timedelta(minutes=1)
"""How long a window that has ended is still looked at: its last calls are recorded late."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHARES_AND_TIMES = ("error_rate", "latency_p95_ms", "share_good")


class Window(NamedTuple):
    """From `start` to before `end`; `number` counts windows of this length since 1970."""

    number: int
    start: datetime
    end: datetime


class Measured(NamedTuple):
    """A figure and of how many calls, ratings or costs it is; None without one."""

    value: float | None
    n: int


def alert_key(alert: Alert) -> str:
    """What an alert's state is kept by: a changed alert is another one."""
    return content_hash(alert.model_dump(mode="json"))


def window_of(alert: Alert, number: int) -> Window:
    """One window of an alert; that of a cost is a UTC day."""
    length = length_of(alert)
    return Window(number, _EPOCH + number * length, _EPOCH + (number + 1) * length)


def windows(alert: Alert, now: datetime) -> list[Window]:
    """The running window, and before it one that has just ended."""
    running = window_of(alert, (now - _EPOCH) // length_of(alert))
    if now - running.start > GRACE:
        return [running]
    return [window_of(alert, running.number - 1), running]


def length_of(alert: Alert) -> timedelta:
    """How long a window is; that of a cost is a day."""
    return timedelta(minutes=1440 if alert.figure == "cost_day_usd" else alert.window_minutes)


def breached(alert: Alert, found: Measured) -> bool:
    """Whether a figure is beyond its bound: above it, or below for the share of good.

    What is a share or a time says nothing of fewer than `least`; money counts from the first.
    """
    if found.value is None or (alert.figure in _SHARES_AND_TIMES and found.n < alert.least):
        return False
    return found.value < alert.bound if alert.figure == "share_good" else found.value > alert.bound
