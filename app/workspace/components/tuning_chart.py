"""Loss and evaluation loss over the steps of a job.

The description of the chart stays the same while points come, so that they are added to what is
drawn: its axes end where the job ends and above the largest value.
"""

import math
from collections.abc import Mapping

import altair as alt
import pandas as pd
import streamlit as st

from app.workspace.components import charts, numbers, table, tuning
from app.workspace.components.tuning_points import Losses
from app.workspace.strings import raw

_HEIGHT = 280
_ROWS = 12


def draw(found: Losses, steps: int) -> None:
    """The chart with its finding in words, and the numbers beside it."""
    left, right = st.columns([2, 1], gap="medium")
    with left:
        _chart(found, steps)
        st.text(finding(found))
    with right:
        _table(found)


def finding(found: Losses) -> str:
    """What the chart shows, in a sentence or two."""
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
    return " ".join(said)


def top_of(values: Mapping[int, float]) -> float:
    """Where the axis of losses ends: the largest, rounded up to one digit."""
    most = max(values.values(), default=0.0)
    if not 0 < most < math.inf:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(most))
    return math.ceil(most * 1.02 / unit) * unit


def _chart(found: Losses, steps: int) -> None:
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
            scale=alt.Scale(domain=[0, max(1, steps)], nice=False),
        ),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, top], nice=False)),
        color=alt.Color("what:N", legend=None, scale=alt.Scale(
            domain=names, range=list(charts.palette(names).values()),
        )),
    )  # fmt: skip
    line = base.mark_line(strokeWidth=1.5, clip=True)
    size = alt.condition(alt.datum.what == names[1], alt.value(60), alt.value(8))
    shapes = alt.Scale(domain=names, range=list(charts.SHAPES[: len(names)]))
    dots = base.mark_point(filled=True, opacity=1).encode(
        shape=alt.Shape("what:N", legend=None, scale=shapes), size=size
    )
    end = base.mark_text(align="right", dy=-10, fontSize=12).encode(
        x=alt.X("step:Q", aggregate="max"),
        y=alt.Y("value:Q", aggregate=alt.ArgmaxDef(argmax="step")),
        text="what:N",
    )
    chart = alt.layer(line, dots, end).properties(height=_HEIGHT)
    st.altair_chart(chart, key="tuning_loss", alt=finding(found))


def _table(found: Losses) -> None:
    """Where it was evaluated, and the last step; the newest first."""
    steps = sorted({*found.evaluation, *sorted(found.loss)[-1:]}, reverse=True)
    rows = [
        {
            "step": numbers.count(step),
            "loss": tuning.loss(found.loss.get(step)),
            "eval": tuning.loss(found.evaluation.get(step)),
        }
        for step in steps[:_ROWS]
    ]
    headings = {
        "step": raw("tuning.column_step"), "loss": raw("tuning.loss"),
        "eval": raw("tuning.eval_loss"),
    }  # fmt: skip
    table.still(rows, headings, alt=finding(found))
