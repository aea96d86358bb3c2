"""Short decisions about what a training left: publish it, take it down, merge it."""

from functools import partial

import streamlit as st
from sqlmodel import Session

from app.server import merges
from app.workspace.components import access, drawer, live, tuning, tuning_serving, url
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from connectors.backends.service import list_backends
from tuning import serving
from tuning.jobs import JobPublic
from tuning.routes import unfit
from tuning.serving import Serving


def publish(name: str, backend: str | None = None) -> None:
    """In a callback: ask for it; where it stands is shown beside its certificate."""
    access.act(partial(_ask, name=name, backend=backend))
    url.put(tab="proof", do=None)


def _ask(session: Session, name: str, backend: str | None) -> Serving:
    tuning.check(tuning.may_act())
    return serving.publish(session, access.database().settings.data, name, backend)


def publish_body(job: JobPublic) -> None:
    """Where to; the certificate stands there before anything is published."""
    found = tuning_serving.certificate(job)
    st.text(raw("tuning.publish_words", name=job.name))
    if found is None:
        st.caption(t("tuning.parity_comes"))
    else:
        st.text(tuning_serving.parity(found))
    with access.reading() as session:
        fitting = [
            one.name for one in list_backends(session)
            if unfit(job.manifest, one, lambda _: True) is None
        ]  # fmt: skip
    with drawer.form("tuning_publish"):
        backend = st.selectbox(
            t("tuning.publish_where"), [None, *fitting], key="tuning_publish_backend",
            format_func=lambda one: raw("tuning.quickest") if one is None else str(one),
        )  # fmt: skip
        asked = drawer.submit("tuning.publish", partial(_ask, name=job.name, backend=backend))
    if asked is not None:
        drawer.done(id=job.name, tab="proof")


def down_body(job: JobPublic) -> None:
    """Forget the model; what was trained stays."""
    st.text(raw("tuning.down_words", name=job.name))

    def down(session: Session) -> bool:
        tuning.check(tuning.may_act())
        serving.unpublish(session, job.name)
        return True

    with drawer.form("tuning_down"):
        done = drawer.submit("tuning.down_now", down)
    if done:
        drawer.done()


def merge_body(job: JobPublic) -> None:
    """Full weights of base and adapter, for servers that load no adapters."""
    st.text(raw("tuning.merge_words"))
    made = merges.find(job.id)
    if made is not None and made.lives:
        live.live(partial(_merging, job.id), alive=True)
        return
    if made is not None and made.error is not None:
        st.error(plain(made.error), icon=":material/error:")
    elif made is not None:
        st.text(raw("tuning.merged_at"))
        st.code(visible(str(made.folder)), language=None, wrap_lines=True)
        return
    with drawer.form("tuning_merge"):
        begun = drawer.submit_outside("tuning.merge_now", partial(_merge, job))
    if begun:
        st.rerun()


def _merge(job: JobPublic) -> bool:
    tuning.check(tuning.may_act())
    merges.begin(access.database(), job).done.wait(0.5)
    return True


def _merging(job_id: str) -> bool:
    made = merges.find(job_id)
    if made is None or not made.lives:
        return False
    st.caption(plain(made.said) or t("tuning.merging"))
    return True


def can_publish(job: JobPublic) -> bool:
    """A training that ended with a model that answers."""
    return job.status == "completed" and job.manifest.method.kind != "reward"


def refused_merge(job: JobPublic) -> bool:
    """Virtual tokens and reward models are not merged."""
    return merges.refusal(job) is not None
