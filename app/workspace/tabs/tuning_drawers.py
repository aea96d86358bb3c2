"""Short decisions about trainings: a new one, the end of one, its log as a file."""

from collections.abc import Callable
from functools import partial

import streamlit as st
from sqlmodel import Session

from app.server import training_starts
from app.workspace.components import access, drawer, tuning, tuning_serving, url
from app.workspace.strings import raw, t
from app.workspace.tabs import tuning_head, tuning_new, tuning_publish
from tuning import jobs
from tuning.jobs import JobPublic
from tuning.manifest import LIVE
from tuning.report import log_of
from tuning.serving import serving_of


def new() -> None:
    """Opens the drawer of a new training."""
    if tuning.may_act():
        st.button(
            t("tuning.new"), type="primary", icon=":material/add:", key="tuning_new",
            on_click=_open_new, disabled=tuning.missing_trainer() is not None,
        )  # fmt: skip


def _open_new() -> None:
    known = training_starts.find(access.actor())
    if known is not None and not known.lives:
        training_starts.forget(access.actor())
    url.open_drawer("new")


def trainer() -> None:
    """Why nothing can be trained here, where that is so."""
    missing = tuning.missing_trainer()
    if missing is not None:
        tuning.notice(missing)


def more(job: JobPublic) -> dict[str, Callable[[], None]]:
    """What the More menu offers, by string key."""
    offered = {"tuning.export_log": partial(url.open_drawer, "log")}
    if tuning.may_act() and job.status in LIVE:
        offered["tuning.cancel"] = partial(url.open_drawer, "cancel")
    if not (tuning.may_act() and tuning_publish.can_publish(job)):
        return offered
    if serving_of(job) is None:
        offered["tuning.publish_to"] = partial(url.open_drawer, "publish")
    elif not tuning_serving.is_on_its_way(job):
        offered["tuning.down"] = partial(url.open_drawer, "down")
    if not tuning_publish.refused_merge(job):
        offered["tuning.merge"] = partial(url.open_drawer, "merge")
    return offered


def draw(name: str | None) -> None:
    """The drawer that the address names."""
    which = url.drawer()
    if name is None:
        if which == "new" and tuning.may_act() and tuning.missing_trainer() is None:
            drawer.drawer(t("tuning.drawer_new"), tuning_new.body, width=520)
        return
    bodies = {"log": _log}
    if tuning.may_act():
        bodies |= {
            "cancel": _cancel, "publish": tuning_publish.publish_body,
            "down": tuning_publish.down_body, "merge": tuning_publish.merge_body,
        }  # fmt: skip
    job = tuning_head.find(name) if which in bodies else None
    if job is not None and which is not None:
        drawer.drawer(t(f"tuning.drawer_{which}"), lambda: bodies[which](job))


def _cancel(job: JobPublic) -> None:
    st.text(raw("tuning.end_words"))

    def cancel(session: Session) -> str:
        tuning.check(tuning.may_act())
        return jobs.ask(session, job.name, "cancel")

    with drawer.form("tuning_cancel"):
        asked = drawer.submit("tuning.cancel_now", cancel)
    if asked is not None:
        drawer.done()


def _log(job: JobPublic) -> None:
    data = access.database().settings.data
    st.download_button(
        t("prompts.download", form="log"), data=partial(log_of, data, job.id),
        key="tuning_log_file", file_name=f"{job.name.replace('/', '-')}.log",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
