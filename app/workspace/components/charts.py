"""Charts: an arm has the same colour and shape everywhere, and is named beside its mark."""

from collections.abc import Mapping, Sequence

from app.telling.pictures import Curve, Pictures
from app.telling.points import Point, Priced
from app.workspace.components import numbers, picture
from app.workspace.strings import raw

_WIDTH = 420
"""Of half a page, in pixels."""


def shares(points: Sequence[Point], arms: Sequence[str], finding: str) -> None:
    """Share of good: dot and 95 % rule from 0 to 100 %."""
    if points:
        picture.draw(_pictures(arms).intervals(points, finding))


def differences(points: Sequence[Point], arms: Sequence[str], finding: str) -> None:
    """Candidate minus baseline in points: dot and 95 % rule around zero."""
    if points:
        label = raw("charts.points")
        picture.draw(_pictures(arms).intervals(points, finding, zero=True, label=label))


def latency(curves: Sequence[Curve], arms: Sequence[str], finding: str) -> None:
    """Share of answers that came within a time, time on a log scale."""
    if curves:
        picture.draw(_pictures(arms).curves(curves, finding, raw("charts.latency")))


def cost_quality(rows: Sequence[Priced], arms: Sequence[str], finding: str) -> None:
    """Cost of an answer (log) against share of good, and the line of those that none beats."""
    if len(rows) > 1:
        picture.draw(_pictures(arms).scatter(rows, finding, raw("charts.cost")))


def slices(parts: Mapping[str, Sequence[Point]], arms: Sequence[str], finding: str) -> None:
    """Dot and 95 % rule of every arm in every part of the cases."""
    if parts:
        picture.draw(_pictures(arms).slices(parts, finding))


def _pictures(arms: Sequence[str]) -> Pictures:
    return Pictures(arms, width=_WIDTH)


def share_text(arm: str, share: float | None, ci95: Sequence[float] | None, n: int) -> str:
    """What stands beside the mark of an arm."""
    return f"{arm}   {numbers.share(share, ci95, n)}"
