"""What a planned run would take, told before it starts."""

import streamlit as st

from app.workspace.components import numbers
from app.workspace.strings import raw
from evalsets.runs.plan import Plan


def draw(figures: Plan) -> None:
    """Calls, tokens, money and time."""
    cost = numbers.money(figures.cost_usd)
    with st.container(border=True, gap=None, key="plan_foot"):
        st.text(raw("runs.plan_calls", calls=numbers.count(figures.calls), cells=figures.cells))
        st.text(raw("runs.plan_cached", n=numbers.count(figures.cached)))
        if figures.unread:
            st.text(raw("runs.plan_unread", names=", ".join(figures.unread)))
        if figures.unrunnable:
            st.text(raw("runs.plan_unrunnable", n=figures.unrunnable))
        tokens = (numbers.short_count(n) for n in figures.tokens)
        st.text(raw("runs.plan_tokens", input=next(tokens), output=next(tokens)))
        st.text(raw("runs.plan_cost", cost=cost))
        if figures.evaluation.calls:
            judged = numbers.money(figures.evaluation.cost_usd)
            st.text(raw("runs.plan_judges", n=figures.evaluation.calls, cost=judged))
        span = numbers.span(figures.minutes * 60_000)
        st.text(raw("runs.plan_minutes", span=span))
