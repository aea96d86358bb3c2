"""Numbers as people read them: with unit, count and uncertainty; `say` gives the words."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from app.telling.words import Say
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.verdict import ArmShare

MISSING = "–"
MINUS = "\u2212"
Interval = Sequence[float] | None


def count(value: int | None) -> str:
    """1,234"""
    return MISSING if value is None else f"{value:,}"


def short_count(value: int | None) -> str:
    """1,234, and 12.4k from 10,000, for tables."""
    if value is None or abs(value) < 10_000:
        return count(value)
    if abs(value) < 1_000_000:
        return f"{value / 1000:.1f}k"
    return f"{value / 1_000_000:.1f}M"


def percent(value: float | None) -> str:
    """78%"""
    return MISSING if value is None else f"{value * 100:.0f}%"


def share(say: Say, value: float | None, ci95: Interval, n: int) -> str:
    """78% (69–85), n = 96"""
    if value is None:
        return say("numbers.no_labels")
    if ci95 is None:
        return f"{percent(value)}, n = {count(n)}"
    return f"{percent(value)} ({ci95[0] * 100:.0f}–{ci95[1] * 100:.0f}), n = {count(n)}"


def between(value: float | None, ci95: Interval) -> str:
    """78% (69–85)"""
    if value is None or ci95 is None:
        return percent(value)
    return f"{percent(value)} ({ci95[0] * 100:.0f}–{ci95[1] * 100:.0f})"


def signed(value: float) -> str:
    """+6 or −3, of a share in points"""
    points = round(value * 100)
    return f"+{points}" if points > 0 else f"{MINUS}{-points}" if points < 0 else "0"


def difference(say: Say, value: float | None, ci95: Interval) -> str:
    """+17 points (+6 to +28)"""
    if value is None:
        return MISSING
    if ci95 is None:
        return say("numbers.points", value=signed(value))
    return say(
        "numbers.points_between", value=signed(value), low=signed(ci95[0]), high=signed(ci95[1])
    )


def gap(say: Say, one: Comparison) -> str:
    """A difference in points; of scores that are no shares as a plain number: +12.4 (−3 to +28)."""
    if one.need is not None or one.difference is None:
        return difference(say, one.difference, one.difference_ci95)
    if one.difference_ci95 is None:
        return _number(one.difference)
    low, high = map(_number, one.difference_ci95)
    return say("numbers.between", value=_number(one.difference), low=low, high=high)


def _number(value: float) -> str:
    return f"{value:+.3g}".replace("-", MINUS)


def arm_share(say: Say, arm: ArmShare) -> str:
    """A share with its interval, or the mean of graded scores; and their number."""
    if arm.good is not None or arm.share is None:
        return share(say, arm.share, arm.ci95, arm.n)
    return f"{score(say, arm.share, arm.ci95)}, n = {count(arm.n)}"


def p_value(value: float | None) -> str:
    """p = 0.004, or p < 0.001"""
    if value is None:
        return MISSING
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def score(say: Say, mean: float | None, ci95: Interval = None) -> str:
    """0.83 ± 0.04"""
    if mean is None:
        return say("numbers.unscored")
    return f"{mean:.2f}" if ci95 is None else f"{mean:.2f} ± {(ci95[1] - ci95[0]) / 2:.2f}"


def money(say: Say, value: Decimal | str | None) -> str:
    """$1.84, two significant digits below a cent, or "unpriced" """
    if value is None:
        return say("numbers.unpriced")
    amount = Decimal(value)
    if amount == 0:
        return "$0"
    if abs(amount) >= Decimal("0.01"):
        return f"${amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
    digits = 1 - amount.adjusted()
    return f"${amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):f}"


def span(milliseconds: float | None) -> str:
    """850 ms, 2.1 s, 3 min 20 s, 2 h 5 min; what took less than a millisecond still took time"""
    if milliseconds is None:
        return MISSING
    if 0 < milliseconds < 0.5:
        return "< 1 ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
