"""The head of a run: what it does now, what one can do about it, where it comes from."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import streamlit as st
from sqlmodel import Session

from app.server import context
from app.workspace.components import access, navigation, numbers, states, url
from app.workspace.components.plain import plain
from app.workspace.strings import t
from core.errors import PromptstoneError
from core.names import split_ref
from evalsets.labels import queues
from evalsets.labels.queue_plan import DEFAULT_PAIRS, queue_for_run, queues_of_run
from evalsets.labels.unlabeled import unlabeled_outputs
from evalsets.models import Run
from evalsets.runs import service as runs
from evalsets.runs.report import run_row


def progress(run_id: str) -> str:
    """Bar and figures; the state that the run is in now."""
    with access.reading() as session:
        run = runs.get_run(session, run_id)
    alive = run.status in ("queued", "running")
    done = run.succeeded + run.failed
    parts = [t("runs.done_of", done=numbers.count(done), total=numbers.count(run.total))]
    if run.cached:
        parts.append(t("runs.cached_share", share=numbers.percent(run.cached / max(done, 1))))
    if run.failed:
        parts.append(t("runs.failed_n", n=numbers.count(run.failed)))
    if not run.imported:
        parts.append(_cost(run))
    if run.interrupted:
        parts.append(t("runs.interrupted_n", n=run.interrupted))
    if alive:
        parts.append(_left(run, done))
    why = states.reason(run.reason)
    if why and run.status in ("paused", "failed", "cancelled"):
        parts.append(plain(why))
    if alive or run.status == "paused":
        st.progress(done / run.total if run.total else 0.0, text=" · ".join(parts))
    else:
        st.caption(" · ".join(parts))
    return run.status


def _cost(run: Run) -> str:
    spent = numbers.money(run.cost)
    if run.budget is None:
        return plain(spent)
    return t("runs.of_budget", spent=spent, budget=numbers.money(run.budget))


def _left(run: Run, done: int) -> str:
    sent = done - run.cached
    if run.status == "queued":
        return t("runs.waiting")
    if run.started_at is None or sent < 1:
        return t("runs.starting")
    spent = (datetime.now(UTC) - run.started_at).total_seconds()
    span = numbers.span((run.total - done) * max(run.seconds, min(spent, 1e9)) / sent * 1000)
    return t("runs.about_left", span=span)


def actions(run_id: str) -> None:
    """The primary action follows the state."""
    with access.reading() as session:
        run = runs.get_run(session, run_id)
        outputs = _to_label(session, run) if run.status not in ("queued", "running") else 0
    if run.status in ("queued", "running"):
        _button("pause", ":material/pause:", partial(_ask, runs.pause, run_id), primary=True)
        _button("cancel", ":material/close:", partial(_ask, runs.cancel, run_id))
        return
    if run.status in ("paused", "failed"):
        if run.reason == "budget":
            _button("raise_budget", ":material/play_arrow:", _open_budget, primary=True)
        else:
            _button("resume", ":material/play_arrow:", partial(_ask, runs.resume, run_id), True)
        _button("cancel", ":material/close:", partial(_ask, runs.cancel, run_id))
    if run.failed and not run.imported and run.status != "cancelled":
        _button("retry", ":material/redo:", partial(_ask, runs.retry, run_id))
    primary = run.status == "completed" and url.get("tab") != "verdict"
    label = t("runs.label_outputs", n=numbers.count(outputs))
    kind = "primary" if primary else "secondary"
    if outputs and st.button(label, type=kind, icon=":material/rate_review:", key="run_label"):
        _label(run_id)


def _button(name: str, icon: str, action: Callable[[], None], primary: bool = False) -> None:
    st.button(
        t(f"runs.{name}"), key=f"run_{name}", icon=icon, on_click=action,
        type="primary" if primary else "secondary",
    )  # fmt: skip


def _ask(what: Callable[..., object], run_id: str) -> None:
    try:
        what(context.current().database, access.actor(), run_id)
    except PromptstoneError as error:
        access.refuse(error)


def _open_budget() -> None:
    url.open_drawer("budget")


def _to_label(session: Session, run: Run) -> int:
    """Outputs that the run's queue still waits for, or would with the default plan."""
    stages = queues_of_run(session, run.id)
    if stages:
        done, total = queues.progress(session, stages[-1].id)
        return total - done
    return unlabeled_outputs(session, run, DEFAULT_PAIRS * run.repeats)


def _label(run_id: str) -> None:
    queue = access.act(lambda session: queue_for_run(session, run_id))
    if queue is None:
        st.rerun()
    url.go("label", queue=queue.id)


def lineage(run: Run) -> list[Callable[[], None]]:
    """Links to the data set, the prompt versions and the models of a run."""
    frozen = run_row(run)
    links: list[Callable[[], None]] = []
    if not run.imported:
        links.append(_to("datasets", frozen["dataset"], id=run.dataset, v=run.dataset_version))
    for ref in frozen["prompts"]:
        name, version = split_ref(ref)
        links.append(_to("prompts", ref, id=name, v=version))
    links += [_to("models", name, id=name) for name in frozen["models"]]
    return links


def _to(page: str, name: str, **params: str | int) -> Callable[[], None]:
    return partial(url.link, page, plain(name), navigation.ICONS[page], **params)
