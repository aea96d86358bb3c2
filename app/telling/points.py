"""What pictures of arms are drawn from, on pages and in reports."""

from collections.abc import Sequence
from typing import NamedTuple

MOST_ARMS = 6
"""So many have a colour of their own; the others are grey."""


class Point(NamedTuple):
    """A value of an arm with its 95 % interval, as shares of 1, and its words."""

    arm: str
    value: float
    low: float
    high: float
    text: str


class Priced(NamedTuple):
    """An arm's cost of an answer in dollars and its share of good with the interval."""

    arm: str
    cost: float
    share: float
    low: float
    high: float


def pareto(rows: Sequence[Priced]) -> list[Priced]:
    """Arms that no other beats both in cost and in share, the cheapest first."""
    found: list[Priced] = []
    for row in sorted(rows, key=lambda one: (one.cost, -one.share)):
        if not found or row.share > found[-1].share:
            found.append(row)
    return found
