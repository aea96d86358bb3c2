"""Charts: an arm has the same colour and shape everywhere, and is named beside its mark."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import streamlit as st

from app.workspace.components import numbers
from app.workspace.strings import raw

MOST_ARMS = 6
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_GRAY = "#808891"
_ROW = 46
_LINE = 15
_SIGNED = "(datum.value > 0 ? '+' : datum.value < 0 ? '\u2212' : '') + abs(round(datum.value))"
"""Labels of an axis in points: +20, 0, −60."""


class Point(NamedTuple):
    """A value of an arm with its 95 % interval, as shares of 1, and its words."""

    arm: str
    value: float
    low: float
    high: float
    text: str


def palette(arms: Sequence[str]) -> Mapping[str, str]:
    """Colour by arm, of the theme at hand; arms beyond six are grey."""
    mode = st.context.theme.type or "light"
    colors = st.get_option(f"theme.{mode}.chartCategoricalColors") or []
    return {
        arm: colors[place] if place < min(MOST_ARMS, len(colors)) else _GRAY
        for place, arm in enumerate(arms)
    }


def shares(points: Sequence[Point], arms: Sequence[str], alt_text: str) -> None:
    """Share of good: dot and 95 % rule from 0 to 100 %."""
    _intervals(points, arms, alt_text, (0.0, 1.0), zero=False)


def differences(points: Sequence[Point], arms: Sequence[str], alt_text: str) -> None:
    """Candidate minus baseline in points: dot and 95 % rule around zero."""
    reach = max((max(abs(p.low), abs(p.high)) for p in points), default=0.1)
    reach = 100 * min(1.0, round(reach * 1.15 + 0.05, 1))
    in_points = [
        point._replace(value=100 * point.value, low=100 * point.low, high=100 * point.high)
        for point in points
    ]
    _intervals(in_points, arms, alt_text, (-reach, reach), zero=True)


def _intervals(
    points: Sequence[Point],
    arms: Sequence[str],
    alt_text: str,
    domain: tuple[float, float],
    *,
    zero: bool,
) -> None:
    if not points:
        return
    data = alt.Data(values=[point._asdict() for point in points])
    order = [point.arm for point in points]
    axis = (
        alt.Axis(labelExpr=_SIGNED, grid=True, tickCount=5)
        if zero
        else alt.Axis(format=".0%", grid=True, tickCount=5)
    )
    title = raw("charts.points") if zero else None
    x = alt.X("value:Q", scale=alt.Scale(domain=list(domain)), title=title, axis=axis)
    y = alt.Y("arm:N", sort=order, axis=None)
    plain = alt.Chart(data).encode(y=y, color=_color(arms))
    rule = plain.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", scale=alt.Scale(domain=list(domain))), x2="high:Q"
    )
    dot = plain.mark_point(filled=True, size=110, opacity=1).encode(x=x, shape=_shape(arms))
    name = plain.mark_text(align="left", baseline="bottom", dy=-9, fontSize=12).encode(
        x=alt.value(4), text="text:N"
    )
    layers: list[Any] = [rule, dot, name]
    if zero:
        line = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 3], color=_GRAY)
        layers.insert(0, line.encode(x="zero:Q"))
    _draw(alt.layer(*layers), _ROW * len(points) + (76 if zero else 36), alt_text)


def latency(rows: Sequence[Mapping[str, object]], arms: Sequence[str], alt_text: str) -> None:
    """Share of answers that came within a time; rows of arm, ms and share; time on a log scale."""
    if not rows:
        return
    chart = (
        alt.Chart(alt.Data(values=[dict(row) for row in rows]))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X("ms:Q", scale=alt.Scale(type="log"), title=raw("charts.latency")),
            y=alt.Y("share:Q", axis=alt.Axis(format=".0%"), title=None),
            color=_color(arms),
            strokeDash=alt.StrokeDash("arm:N", scale=alt.Scale(domain=list(arms)), legend=None),
        )
    )
    last = {str(row["arm"]): row for row in rows}
    ends = alt.Chart(alt.Data(values=[dict(row) for row in last.values()])).encode(
        x="ms:Q", y="share:Q", color=_color(arms)
    )
    # All lines end at the top, so names stand below each other, or close ones would cover another.
    names = [
        ends.transform_filter(alt.datum.arm == arm)
        .mark_text(align="right", baseline="bottom", dx=-6, dy=_LINE * number - 4)
        .encode(text="arm:N")
        for number, arm in enumerate(last)
    ]
    dots = ends.mark_point(filled=True, size=70).encode(shape=_shape(arms))
    _draw(alt.layer(chart, dots, *names), 240, alt_text)


def cost_quality(rows: Sequence[Mapping[str, object]], arms: Sequence[str], alt_text: str) -> None:
    """Cost of an answer (log) against share of good; rows of arm, cost and share."""
    priced = [dict(row) for row in rows if isinstance(row["cost"], float) and row["cost"] > 0]
    if len(priced) < 2:
        return
    base = alt.Chart(alt.Data(values=priced)).encode(
        x=alt.X("cost:Q", scale=alt.Scale(type="log"), title=raw("charts.cost")),
        y=alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"), title=None),
        color=_color(arms),
    )
    best = alt.Chart(alt.Data(values=_pareto(priced))).mark_line(color=_GRAY, strokeDash=[4, 3])
    name = base.mark_text(align="left", dx=10).encode(text="arm:N")
    dots = base.mark_point(filled=True, size=110).encode(shape=_shape(arms))
    layers = alt.layer(best.encode(x="cost:Q", y="share:Q"), dots, name)
    _draw(layers, 240, alt_text)


def _pareto(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    best = -1.0
    for row in sorted(rows, key=lambda one: (one["cost"], -one["share"])):
        if row["share"] > best:
            best = row["share"]
            found.append(dict(row))
    return found


def _color(arms: Sequence[str]) -> Any:
    colors = palette(arms)
    scale = alt.Scale(domain=list(arms), range=[colors[arm] for arm in arms])
    return alt.Color("arm:N", scale=scale, legend=None)


def _shape(arms: Sequence[str]) -> Any:
    shapes = [SHAPES[place % len(SHAPES)] for place in range(len(arms))]
    return alt.Shape("arm:N", scale=alt.Scale(domain=list(arms), range=shapes), legend=None)


def _draw(chart: Any, height: int, alt_text: str) -> None:
    st.altair_chart(chart.properties(height=height), alt=alt_text)


def share_text(arm: str, share: float | None, ci95: Sequence[float] | None, n: int) -> str:
    """What stands beside the mark of an arm."""
    return f"{arm}   {numbers.share(share, ci95, n)}"
