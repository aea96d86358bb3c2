"""Moments as people type them."""

import re
from datetime import datetime, timedelta

import typer

from core.clock import utcnow

_SPAN = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, option: str) -> datetime:
    """`30m`, `12h`, `1d` or `2w` ago, or a date with or without a time, local if no zone is told.

    A usage error for anything else.
    """
    span = _SPAN.fullmatch(text.strip().lower())
    if span:
        return utcnow() - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text[:40]!r} is no moment. Write 30m, 12h, 1d or 2026-01-31.", param_hint=option
        ) from None
