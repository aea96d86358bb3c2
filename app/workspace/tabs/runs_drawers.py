"""Short decisions about one run: its budget, what leaves it as a file."""

from collections.abc import Callable
from decimal import Decimal

import streamlit as st

from app.server import context
from app.workspace.components import access, drawer, exports, numbers, url
from app.workspace.strings import raw, t
from evalsets import runs
from evalsets.models import Run


def more(run: Run) -> dict[str, Callable[[], None]]:
    """What the More menu offers, by string key."""
    offered = {"runs.export": lambda: url.open_drawer("export")}
    if run.status in ("paused", "queued", "running") and not run.imported:
        offered["runs.raise_budget"] = lambda: url.open_drawer("budget")
    return offered


def draw(run_id: str) -> None:
    """The drawer that the address names."""
    bodies = {"export": lambda: exports.draw(run_id), "budget": lambda: _budget(run_id)}
    which = url.drawer()
    if which in bodies:
        drawer.drawer(t(f"runs.drawer_{which}"), bodies[which])


def _budget(run_id: str) -> None:
    with access.reading() as session:
        run = runs.get_run(session, run_id)
    with drawer.form("run_budget"):
        st.text(raw("runs.budget_now", spent=numbers.money(run.cost)))
        total = st.number_input(t("runs.new_budget"), 0.0, None, float(run.budget or 0) * 2 or 1.0)

        def resume() -> str:
            budget = Decimal(str(total))
            return runs.resume(context.current().database, access.actor(), run_id, budget)

        resumed = drawer.submit_outside("runs.resume_with_budget", resume)
    if resumed is not None:
        drawer.done()
