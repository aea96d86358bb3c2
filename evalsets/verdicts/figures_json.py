"""Figures that several documents print: intervals, and what a comparison always says."""

from typing import Any

from evalsets.statistics.comparison import Comparison
from evalsets.statistics.quantiles import Interval


def interval_json(interval: Interval | None) -> list[float] | None:
    """Low and high, or null."""
    return None if interval is None else [interval.low, interval.high]


def difference_json(one: Comparison) -> dict[str, Any]:
    """The difference with its interval, how surely it is none, and the verdict on it."""
    return {
        "difference": one.difference,
        "difference_ci95": interval_json(one.difference_ci95),
        "p_value": one.p_value,
        "p_adjusted": one.p_adjusted,
        "method": str(one.method),
        "verdict": word(one.verdict),
        "labels_needed": one.labels_needed,
    }


def word(word: str | None) -> str | None:
    """A verdict's word, or null."""
    return None if word is None else str(word)
