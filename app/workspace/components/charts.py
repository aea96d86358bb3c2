"""Charts: an arm has the same colour and shape everywhere, and is named beside its mark."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import streamlit as st

from app.telling.points import MOST_ARMS, Point, Priced, pareto
from app.workspace.components import numbers
from app.workspace.strings import raw

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_GRAY = "#808891"
_ROW = 46
_LINE = 15
_SIGNED = "(datum.value > 0 ? '+' : datum.value < 0 ? '\u2212' : '') + abs(round(datum.value))"
"""Labels of an axis in points: +20, 0, −60."""


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
        color=_color(arms), shape=_shape(arms)
    )
    dots = ends.mark_point(filled=True, size=70).encode(x="ms:Q", y="share:Q")
    # Above the lines' beginnings nothing lies, so the names stand there, each with its mark.
    names: list[Any] = []
    for number, arm in enumerate(last):
        one, y = ends.transform_filter(alt.datum.arm == arm), alt.value(10 + _LINE * number)
        names += [
            one.mark_point(filled=True, size=70).encode(x=alt.value(10), y=y),
            one.mark_text(align="left").encode(x=alt.value(20), y=y, text="arm:N"),
        ]
    _draw(alt.layer(chart, dots, *names), 240, alt_text)


def cost_quality(rows: Sequence[Priced], arms: Sequence[str], alt_text: str) -> None:
    """Cost of an answer (log) against share of good, and the line of those that none beats."""
    if len(rows) < 2:
        return
    reach = [min(one.cost for one in rows) / 2, max(one.cost for one in rows) * 4]
    x = alt.X("cost:Q", scale=alt.Scale(type="log", domain=reach), title=raw("charts.cost"))
    y = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"), title=None)
    values = [one._asdict() for one in rows]
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=y, color=_color(arms))
    front = [one._asdict() for one in pareto(rows)]
    line = alt.Chart(alt.Data(values=front)).mark_line(
        color=_GRAY, strokeDash=[4, 3], interpolate="step-after"
    )
    rule = base.mark_rule(strokeWidth=2, opacity=0.5).encode(
        y=alt.Y("low:Q", scale=alt.Scale(domain=[0, 1])), y2="high:Q"
    )
    name = base.mark_text(align="left", baseline="bottom", dx=8, dy=-5).encode(text="arm:N")
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(shape=_shape(arms))
    _draw(alt.layer(line.encode(x=x, y=y), rule, dots, name), 240, alt_text)


def slices(rows: Sequence[Mapping[str, object]], arms: Sequence[str], alt_text: str) -> None:
    """Dot and 95 % rule of every arm in every slice; rows of slice, arm, value, low, high, text."""
    if not rows:
        return
    names = list(dict.fromkeys(str(row["slice"]) for row in rows))
    scale = alt.Scale(domain=[0, 1])
    plain = alt.Chart(alt.Data(values=[dict(row) for row in rows])).encode(
        y=alt.Y("slice:N", sort=names, title=None, axis=alt.Axis(labelLimit=160, grid=True)),
        yOffset=alt.YOffset("arm:N", sort=list(arms)),
        color=_color(arms),
    )
    x = alt.X("value:Q", scale=scale, title=None, axis=alt.Axis(format=".0%", tickCount=5))
    rule = plain.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    dot = plain.mark_point(filled=True, size=90, opacity=1).encode(x=x, shape=_shape(arms))
    name = plain.mark_text(align="left", dx=6, fontSize=11).encode(
        x=alt.X("high:Q", scale=scale), text="text:N"
    )
    height = max(18 * len(arms) + 10, 40) * len(names) + 40
    _draw(alt.layer(rule, dot, name), height, alt_text)


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
