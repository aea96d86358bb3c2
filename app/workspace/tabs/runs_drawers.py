"""Short decisions about one run: its budget, what leaves it as a file."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial

import streamlit as st

from app.server import context
from app.workspace.components import access, cell_actions, drawer, exports, judges, numbers, url
from app.workspace.strings import raw, t
from app.workspace.tabs import runs_app, runs_plan
from evalsets.labels.importing import import_labels
from evalsets.labels.lines import read_label_lines
from evalsets.models import Run
from evalsets.runs import service as runs
from evalsets.runs.manifest import Manifest
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.promote import promote


def more(run: Run) -> dict[str, Callable[[], None]]:
    """What the More menu offers, by string key."""
    offered = {
        "runs.export": partial(url.open_drawer, "export"),
        "runs.labels_import": partial(url.open_drawer, "labels"),
    }
    if not run.imported:
        offered["runs.again"] = partial(runs_plan.again, run.id)
    judged = run.manifest.get("judge_budget") and run.status == "completed"
    if (run.status in ("paused", "queued", "running") and not run.imported) or judged:
        offered["runs.raise_budget"] = partial(url.open_drawer, "budget")
    return offered


def draw(run_id: str) -> None:
    """The drawer that the address names."""
    bodies = {
        "export": lambda: exports.draw(run_id),
        "budget": lambda: _budget(run_id),
        "promote": lambda: _promote(run_id),
        "labels": lambda: _labels(run_id),
        "case": lambda: cell_actions.drawer_body(run_id),
        "app": lambda: runs_app.draw(run_id),
    }
    which = url.drawer()
    if which in bodies:
        drawer.drawer(t(f"runs.drawer_{which}"), bodies[which])


def _budget(run_id: str) -> None:
    with access.reading() as session:
        run = runs.get_run(session, run_id)
    with drawer.form("run_budget"):
        st.text(raw("runs.budget_now", spent=numbers.money(run.cost)))
        judged = run.manifest.get("judge_budget")
        if judged is None or run.budget is not None:
            now = float(run.budget or 0) * 2 or 1.0
            total: float | None = st.number_input(t("runs.new_budget"), 0.0, None, now)
        else:
            total = None
        if judged is not None:
            st.text(raw("runs.judges_spent", spent=numbers.money(run.judge_cost)))
            more = judges.budget(float(judged) * 2)
        else:
            more = None

        def resume() -> str:
            budget = None if total is None else Decimal(str(total))
            here = context.current().database
            if budget == run.budget:
                budget = None
            return runs.resume(here, access.actor(), run_id, budget, more)

        resumed = drawer.submit_outside("runs.resume_with_budget", resume)
    if resumed is not None:
        drawer.done()


def _promote(run_id: str) -> None:
    with access.reading() as session:
        arms = Manifest.model_validate(runs.get_run(session, run_id).manifest).arms
    arm = next((one for one in arms if one.name == url.get("arm")), arms[0])
    if arm.prompt is None:
        st.text(raw("verdict.no_prompt"))
        return
    ref = f"{arm.prompt.name}@{arm.prompt.version}"
    with drawer.form("promote"):
        alias = st.text_input(t("verdict.promote_alias"), value="production")
        st.text(raw("verdict.promote_what", alias=alias, ref=ref))
        reason = st.text_input(t("verdict.promote_reason"))
        by = url.get("by") or LABEL
        moved = drawer.submit(
            "verdict.promote_verb",
            lambda s: (promote(s, run_id, arm.name, alias.strip(), reason, by=by), True),
            ref=ref,
        )
    if moved is not None:
        access.saved("verdict.promoted", alias=alias, ref=ref)
        drawer.done(id=run_id, tab="verdict")


def _labels(run_id: str) -> None:
    file = st.file_uploader(t("runs.labels_file"), type=["jsonl"], max_upload_size=50)
    with drawer.form("labels_import"):
        taken = drawer.submit(
            "runs.labels_take",
            lambda s: import_labels(s, run_id, read_label_lines(file)) if file else None,
        )
    if taken is not None:
        access.saved("runs.labels_taken", n=taken.labels)
        drawer.done(id=run_id, tab="verdict")
