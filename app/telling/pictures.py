"""Pictures of arms as inline SVG: no script, no font, colours by class, which follow the theme.

An arm has the same class and the same shape in every picture, and its name beside its mark.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.telling.escape import text as escape
from app.telling.points import MOST_ARMS, Point, Priced, pareto

_ROW = 40
_LEFT = 8
_SHAPES = (
    "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z",
    "M-5,-5H5V5H-5Z",
    "M0,-6L6,5H-6Z",
    "M0,-7L6,0L0,7L-6,0Z",
    "M-2,-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
    "M0,6L6,-5H-6Z",
)


class Curve(NamedTuple):
    """An arm's latencies: milliseconds and the share of answers that came within them."""

    arm: str
    points: Sequence[tuple[float, float]]


class Pictures:
    """Draws with the look of each arm, by its place in the run; `width` in pixels at 13 px text."""

    def __init__(self, arms: Sequence[str], *, width: int = 560) -> None:
        self._place = {arm: place for place, arm in enumerate(arms)}
        self._width = width

    def intervals(
        self, points: Sequence[Point], finding: str, *, zero: bool = False, label: str = ""
    ) -> str:
        """Dot and 95 % rule: from 0 to 100 %, or in points around a zero line."""
        reach = max((max(abs(p.low), abs(p.high)) for p in points), default=0.1) if zero else 1.0
        reach = min(1.0, math.ceil(reach * 10 + 0.3) / 10)
        low = -reach if zero else 0.0

        def x(value: float) -> float:
            return _LEFT + (self._width - 2 * _LEFT) * (value - low) / (reach - low)

        bottom = _ROW * len(points) + 6
        parts = [
            self._tick(x(edge), bottom, _percent(edge, zero=zero))
            for edge in (low + (reach - low) * step / 5 for step in range(6))
            if not zero
        ]
        if zero:
            edges = (-reach, -reach / 2, 0.0, reach / 2, reach)
            parts += [self._tick(x(edge), bottom, _percent(edge, zero=True)) for edge in edges]
            parts.append(f'<path class="zero" d="M{x(0):.1f},0V{bottom}"/>')
        for row, point in enumerate(points):
            y = _ROW * row + 30
            rule = f'<path class="rule" d="M{x(point.low):.1f},{y}H{x(point.high):.1f}"/>'
            name = f'<text x="{_LEFT}" y="{y - 12}">{escape(point.text)}</text>'
            parts.append(
                self._arm(
                    point.arm,
                    _hint(point.text) + rule + name + self._mark(point.arm, x(point.value), y),
                )
            )
        if label:
            parts.append(self._axis(label, bottom + 34))
        return self._svg(parts, bottom + (42 if label else 24), finding)

    def scatter(self, rows: Sequence[Priced], finding: str, label: str) -> str:
        """Cost of an answer (log) against share of good, with the Pareto line."""
        low, high = (math.log10(pick(row.cost for row in rows)) for pick in (min, max))
        low, high = low - 0.15, high + 0.6

        def x(cost: float) -> float:
            return 44 + (self._width - 60) * (math.log10(cost) - low) / (high - low)

        def y(share: float) -> float:
            return 10 + 180 * (1 - share)

        parts = [self._level(y(step / 5), f"{step * 20}%") for step in range(6)]
        parts += [self._tick(x(cost), 190, f"${cost:g}") for cost in _decades(low, high)]
        front = pareto(rows)
        steps = [f"H{x(row.cost):.1f}V{y(row.share):.1f}" for row in front[1:]]
        start = f"M{x(front[0].cost):.1f},{y(front[0].share):.1f}"
        parts.append(f'<path class="front" d="{start}{"".join(steps)}"/>')
        for row in rows:
            at, up = x(row.cost), y(row.share)
            rule = f'<path class="thin" d="M{at:.1f},{y(row.low):.1f}V{y(row.high):.1f}"/>'
            name = f'<text x="{at + 9:.1f}" y="{up - 6:.1f}">{escape(row.arm)}</text>'
            parts.append(
                self._arm(row.arm, _hint(row.arm) + rule + self._mark(row.arm, at, up) + name)
            )
        parts.append(self._axis(label, 226))
        return self._svg(parts, 232, finding)

    def curves(self, curves: Sequence[Curve], finding: str, label: str) -> str:
        """Share of answers within a time, time on a log scale."""
        every = [ms for curve in curves for ms, _ in curve.points]
        low, high = math.log10(min(every)) - 0.02, math.log10(max(every)) + 0.05

        def x(ms: float) -> float:
            return 44 + (self._width - 60) * (math.log10(ms) - low) / (high - low)

        def y(share: float) -> float:
            return 10 + 180 * (1 - share)

        parts = [self._level(y(step / 5), f"{step * 20}%") for step in range(6)]
        parts += [self._tick(x(ms), 190, f"{ms:,.0f}") for ms in _decades(low, high)]
        for row, curve in enumerate(curves):
            first = curve.points[0]
            line = f"M{x(first[0]):.1f},{y(0):.1f}" + "".join(
                f"H{x(ms):.1f}V{y(share):.1f}" for ms, share in curve.points
            )
            dash = f' stroke-dasharray="{2 + 3 * row},{2 + row}"' if row else ""
            half = next(ms for ms, share in curve.points if share >= 0.5)
            up = 20 + 16 * row
            parts.append(
                self._arm(
                    curve.arm,
                    f'<path class="line" d="{line}"{dash}/>'
                    + self._mark(curve.arm, x(half), y(0.5))
                    + self._mark(curve.arm, 58, up - 4)
                    + f'<text x="70" y="{up}">{escape(curve.arm)}</text>',
                )
            )
        parts.append(self._axis(label, 226))
        return self._svg(parts, 232, finding)

    def slices(self, parts_of: Mapping[str, Sequence[Point]], finding: str) -> str:
        """Dot and rule of each arm in each slice, from 0 to 100 %."""
        left, span = 140, self._width - 290

        def x(value: float) -> float:
            return left + span * value

        parts: list[str] = []
        y = 0
        for name, points in parts_of.items():
            parts.append(f'<text class="name" x="0" y="{y + 20}">{escape(name[:22])}</text>')
            for point in points:
                y += 18
                rule = f'<path class="rule" d="M{x(point.low):.1f},{y}H{x(point.high):.1f}"/>'
                at = max(x(point.high), left + 20) + 8
                text = f'<text x="{at:.1f}" y="{y + 4}">{escape(point.text)}</text>'
                mark = self._mark(point.arm, x(point.value), y)
                parts.append(self._arm(point.arm, _hint(point.text) + rule + mark + text))
            y += 14
        ticks = [self._tick(x(step / 4), y, f"{step * 25}%") for step in range(5)]
        return self._svg(ticks + parts, y + 24, finding)

    def _arm(self, arm: str, inner: str) -> str:
        place = self._place[arm]
        return f'<g class="a{place if place < MOST_ARMS else "x"}">{inner}</g>'

    def _mark(self, arm: str, x: float, y: float) -> str:
        shape = _SHAPES[self._place[arm] % len(_SHAPES)]
        return f'<path class="mark" d="{shape}" transform="translate({x:.1f},{y:.1f})"/>'

    def key(self, arm: str) -> str:
        """The mark of an arm for a table."""
        inner = self._arm(arm, self._mark(arm, 8, 8))
        return f'<svg class="key" viewBox="0 0 16 16" aria-hidden="true">{inner}</svg>'

    def _svg(self, parts: Sequence[str], height: float, finding: str) -> str:
        told = escape(finding)
        return (
            f'<svg role="img" aria-label="{told}" viewBox="0 0 {self._width} {height:.0f}">'
            f"<title>{told}</title>{''.join(parts)}</svg>"
        )

    def _tick(self, x: float, bottom: float, text: str) -> str:
        anchor = "start" if x < 20 else "end" if x > self._width - 20 else "middle"
        at = f'x="{x:.1f}" y="{bottom + 16:.0f}"'
        return (
            f'<path class="grid" d="M{x:.1f},0V{bottom:.0f}"/>'
            f'<text class="tick" text-anchor="{anchor}" {at}>{text}</text>'
        )

    def _level(self, y: float, text: str) -> str:
        return (
            f'<path class="grid" d="M44,{y:.1f}H{self._width - 16}"/>'
            f'<text class="tick" text-anchor="end" x="38" y="{y + 4:.1f}">{text}</text>'
        )

    def _axis(self, text: str, y: float) -> str:
        at = f'x="{self._width / 2:.0f}" y="{y}"'
        return f'<text class="tick" text-anchor="middle" {at}>{escape(text)}</text>'


def _hint(text: str) -> str:
    """What a pointer on the arm is told, whole where its name is cut off."""
    return f"<title>{escape(text)}</title>"


def _percent(value: float, *, zero: bool) -> str:
    whole = round(value * 100)
    if not zero:
        return f"{whole}%"
    return f"+{whole}" if whole > 0 else f"\u2212{-whole}" if whole < 0 else "0"


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within the bounds; fewer where they would crowd."""
    wide = high - low > 2.2
    found = [
        step * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for step in ((1,) if wide else (1, 2, 5))
    ]
    return [value for value in found if low <= math.log10(value) <= high]
