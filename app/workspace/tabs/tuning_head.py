"""The head of a training: what one can do about it now, and where it comes from."""

from collections.abc import Callable
from functools import partial

import streamlit as st
from sqlmodel import Session

from app.workspace.components import (
    access,
    header,
    navigation,
    numbers,
    tuning,
    tuning_serving,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import tuning_proof, tuning_publish
from connectors.backends.models import Backend
from core.errors import NotFound
from tuning import jobs
from tuning.data.worth import answers_worth_learning
from tuning.jobs import JobPublic


def act(job: JobPublic) -> None:
    """The primary action follows the state."""
    if not tuning.may_act():
        return
    if tuning.is_live(job):
        with access.reading() as session:
            asked = jobs.row(session, job.id).wanted is not None
        _button("stop", ":material/stop:", partial(_ask, "stop", job.name), disabled=asked)
    elif tuning.can_resume(job):
        _button("resume", ":material/play_arrow:", partial(_resume, job.name))
    elif tuning_publish.can_publish(job) and not tuning_serving.is_on_its_way(job):
        _next(job)


def _next(job: JobPublic) -> None:
    """Prove it, look at the proof while it runs, then publish."""
    state = tuning_serving.proof_state(job)
    if state in ("queued", "running"):
        to_run = partial(url.leave, "runs", id=job.proof_run, tab="verdict")
        _button("see_verdict", ":material/rule:", to_run)
    elif job.model is None and state == "completed":
        _button("publish", ":material/publish:", partial(tuning_publish.publish, job.name))
    elif job.model is None:
        _button("prove", ":material/rule:", partial(tuning_proof.prove, job.name))


def _button(name: str, icon: str, action: Callable[[], None], *, disabled: bool = False) -> None:
    st.button(
        t(f"tuning.{name}"), key=f"tuning_{name}", icon=icon, on_click=action, type="primary",
        disabled=disabled,
    )  # fmt: skip


def _ask(what: str, name: str) -> None:
    def ask(session: Session) -> str:
        tuning.check(tuning.may_act())
        return jobs.ask(session, name, what)

    access.act(ask)


def _resume(name: str) -> None:
    def resume(session: Session) -> str:
        tuning.check(tuning.may_act())
        return jobs.resume(session, name).id

    access.act(resume)


def parents(job: JobPublic) -> list[Callable[[], None]]:
    """Links to the rows, the base, and what became of it."""
    manifest = job.manifest
    links = [_rows(manifest.data.dataset, manifest.data.version)]
    held = manifest.evaluation
    if held is not None and held.dataset != manifest.data.dataset:
        links.append(_rows(held.dataset, held.version))
    links.append(_base(manifest.base.name))
    if job.model is not None:
        words = t("tuning.published_as", name=job.model)
        links.append(partial(url.link, "models", words, navigation.ICONS["models"], id=job.model))
    return links


def _rows(dataset: str, version: int) -> Callable[[], None]:
    label = plain(f"{dataset}@{version}")
    icon = navigation.ICONS["datasets"]
    return partial(url.link, "datasets", label, icon, id=dataset, v=version, tab="training")


def _base(name: str) -> Callable[[], None]:
    words = t("tuning.base_is", name=name)
    if name == "demo":
        return partial(url.link, "models", words, navigation.ICONS["models"], id="demo")
    with access.reading() as session:
        known = session.get(Backend, name) is not None
    if known:
        return partial(url.link, "backends", words, navigation.ICONS["backends"], id=name)
    return partial(_said, raw("tuning.base_is", name=name))


def _said(words: str) -> None:
    st.text(words, width="content")


def certificate(job: JobPublic) -> None:
    """Nothing is published without it in sight."""
    found = tuning_serving.certificate(job)
    if found is not None and job.model is None:
        st.caption(plain(tuning_serving.parity(found)))


def nothing_yet() -> None:
    """What a training needs, and how much of it is here."""
    with access.reading() as session:
        worth = answers_worth_learning(session)
    header.empty("tuning.empty", _ways, n=numbers.count(worth))


def _ways() -> None:
    url.link("datasets", t("tuning.make_rows"), navigation.ICONS["datasets"], do="training")
    url.link("runs", t("tuning.label_more"), navigation.ICONS["runs"])


def find(name: str) -> JobPublic | None:
    """A job by name; None where there is none."""
    try:
        with access.reading() as session:
            return jobs.get(session, access.database().settings.data, name)
    except NotFound:
        return None


def asked_to_end(job: JobPublic) -> str | None:
    """What a running job was asked and has not done yet, in words."""
    with access.reading() as session:
        wanted = jobs.row(session, job.id).wanted
    return None if wanted is None or job.status != "running" else raw(f"tuning.asked_{wanted}")
