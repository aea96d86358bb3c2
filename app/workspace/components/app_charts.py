"""Calls of an app over time."""

from collections.abc import Sequence

import altair as alt
import streamlit as st

from app.workspace.components import numbers
from app.workspace.strings import raw
from serving.timeline import Bar

# The default speaks English of twelve hours: "11 PM", "Tue 24".
_MOMENT = (
    "timeFormat(datum.value, hours(datum.value) + minutes(datum.value) == 0 ? '%m-%d' : '%H:%M')"
)


def calls(bars: Sequence[Bar]) -> None:
    """A bar for each piece of time, its failed calls in the colour of what is bad."""
    mode = st.context.theme.type or "light"
    colors = [
        st.get_option(f"theme.{mode}.{name}") or usual
        for name, usual in (("blueColor", "#1D5FA6"), ("redColor", "#B23A0E"))
    ]
    kinds = [raw("apps.answered"), raw("apps.failed")]
    rows = [
        {"at": bar.at.isoformat(), "kind": kind, "n": n}
        for bar in bars
        for kind, n in zip(kinds, (bar.calls - bar.errors, bar.errors), strict=True)
    ]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("at:T", title=None, axis=alt.Axis(labelExpr=_MOMENT)),
            y=alt.Y("sum(n):Q", title=raw("apps.calls"), axis=alt.Axis(tickMinStep=1)),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=kinds, range=colors),
                legend=alt.Legend(orient="top"),
            ),
        )
        .properties(height=180)
    )  # fmt: skip
    total, failed = sum(bar.calls for bar in bars), sum(bar.errors for bar in bars)
    found = raw("apps.chart_alt", n=numbers.count(total), failed=numbers.count(failed))
    st.altair_chart(chart, alt=found)
