"""Loss and evaluation loss over the steps of a job.

The description of the chart, its alternative text with it, stays the same while points come: only
then are they added to what is drawn. So its axes end where the job does and above the largest loss.
"""

import math
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from app.workspace.components import numbers, picture, table, tuning
from app.workspace.components.tuning_points import Losses
from app.workspace.strings import raw

_HEIGHT = 280
_SHAPES = ("circle", "square")
_LOW = 0.12
"""Of the highest value: what ends below has no room for its name."""
_ROOM = 0.8
"""Up to here a name stands to the right of its line's end, where nothing is drawn yet."""
_ROWS = 8


def draw(found: Losses, steps: int, *, live: bool) -> None:
    """The chart with its finding in words, and the numbers beside it."""
    left, right = st.columns([2, 1], gap="medium")
    with left:
        alt_text = raw("tuning.chart_live") if live else finding(found)
        st.altair_chart(_chart(found, max(1, steps)), key="tuning_loss", alt=alt_text)
        for sentence in findings(found):
            st.text(sentence)
    with right:
        _table(found)


def finding(found: Losses) -> str:
    """What the chart shows."""
    return " ".join(findings(found))


def findings(found: Losses) -> list[str]:
    """The same, a sentence a line."""
    said: list[str] = []
    if found.loss:
        first, last = min(found.loss), max(found.loss)
        said.append(raw(
            "tuning.finding_loss", first=tuning.loss(found.loss[first]),
            last=tuning.loss(found.loss[last]), step=numbers.count(last),
        ))  # fmt: skip
    if found.evaluation:
        best = min(found.evaluation, key=lambda step: (found.evaluation[step], step))
        said.append(raw(
            "tuning.finding_eval", best=tuning.loss(found.evaluation[best]),
            step=numbers.count(best), last=tuning.loss(found.evaluation[max(found.evaluation)]),
        ))  # fmt: skip
    return said


def top_of(values: Mapping[int, float]) -> float:
    """Where the axis of losses ends: the largest, rounded up to one digit."""
    most = max(values.values(), default=0.0)
    if not 0 < most < math.inf:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(most))
    return math.ceil(most * 1.02 / unit) * unit


def _chart(found: Losses, steps: int) -> Any:
    names = [raw("tuning.loss"), raw("tuning.eval_loss")]
    rows = [
        (step, value, name)
        for name, values in zip(names, (found.loss, found.evaluation), strict=True)
        for step, value in sorted(values.items())
    ]
    data = pd.DataFrame(rows, columns=["step", "value", "what"])
    top = top_of({place: value for place, (_, value, _) in enumerate(rows)})
    base = alt.Chart(data).encode(
        x=alt.X(
            "step:Q", title=raw("tuning.axis_step"), axis=alt.Axis(format="d", tickMinStep=1),
            scale=alt.Scale(domain=[0, steps], nice=False),
        ),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, top], nice=False)),
        color=alt.Color("what:N", legend=None, scale=alt.Scale(
            domain=names, range=list(picture.palette(names).values()),
        )),
    )  # fmt: skip
    line = base.mark_line(strokeWidth=1.5, clip=True)
    size = alt.condition(alt.datum.what == names[1], alt.value(60), alt.value(8))
    room = found.last < _ROOM * steps
    shapes = alt.Scale(domain=names, range=list(_SHAPES))
    dots = base.mark_point(filled=True, opacity=1).encode(
        shape=alt.Shape("what:N", legend=None, scale=shapes), size=size
    )
    ends = [
        base.transform_filter(alt.datum.what == name).mark_text(
            align="left" if room else "right", dx=8 if room else -2, fontSize=12,
            dy=dy if room else 2 * dy,
        ).encode(
            x=alt.X("step:Q", aggregate="max"),
            y=alt.Y("value:Q", aggregate=alt.ArgmaxDef(argmax="step")),
            text=alt.TextValue(name),
        )
        for name, dy in zip(names, _places(found), strict=True)
    ]  # fmt: skip
    return alt.layer(line, dots, *ends).properties(height=_HEIGHT)


def _places(found: Losses) -> tuple[int, int]:
    """The name of the upper line stands above its end, that of the lower one below.

    Where both end at the axis, below is where its numbers are: one stands above the other.
    """
    if not found.loss or not found.evaluation:
        return -7, -7
    ends = found.loss[max(found.loss)], found.evaluation[max(found.evaluation)]
    low = min(ends) < _LOW * max(*found.loss.values(), *found.evaluation.values())
    upper, lower = (-16, -7) if low else (-7, 8)
    return (upper, lower) if ends[0] >= ends[1] else (lower, upper)


def _table(found: Losses) -> None:
    """Where it was evaluated, and the last step; the newest first."""
    steps = sorted({*found.evaluation, *sorted(found.loss)[-1:]}, reverse=True)
    rows = [
        {
            "step": numbers.count(step),
            "loss": tuning.loss(found.loss.get(step)),
            "eval": tuning.loss(found.evaluation.get(step)),
        }
        for step in steps
    ]
    headings = {
        "step": raw("tuning.column_step"), "loss": raw("tuning.loss"),
        "eval": raw("tuning.eval_loss"),
    }  # fmt: skip
    table.still(rows, headings, alt=finding(found), in_sight=_ROWS)
