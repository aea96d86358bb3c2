"""Base against tuned on cases held out, and the server's answers against the trainer's."""

from functools import partial

import streamlit as st

from app.workspace.components import access, navigation, states, tuning, tuning_serving, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from evalsets.datasets import service as datasets
from prompts import service as prompts
from tuning import proof
from tuning.jobs import JobPublic
from tuning.proof import Offer


def draw(job: JobPublic) -> None:
    """The run, the certificate, and where the model is served."""
    tuning_serving.draw(job)
    st.subheader(t("tuning.proof"), anchor=False)
    _run(job)
    st.subheader(t("tuning.certificate"), anchor=False)
    found = tuning_serving.certificate(job)
    if found is None:
        st.caption(t("tuning.no_certificate"))
    else:
        st.text(tuning_serving.parity(found))
        tuning_serving.differences(found)


def _run(job: JobPublic) -> None:
    state = tuning_serving.proof_state(job)
    if state is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            word, color = states.run_badge(state)
            st.badge(plain(word), color=color)  # type: ignore[arg-type]
            url.link(
                "runs", t("tuning.see_verdict"), navigation.ICONS["runs"], id=job.proof_run,
                tab="verdict",
            )  # fmt: skip
    with access.reading() as session:
        offered = proof.offer(session, access.database().settings.data, job.name)
    if offered.why is not None and state is None:
        tuning.notice(offered.why)
    elif state is None:
        st.text(_will(offered))
    if job.status == "completed" and offered.base is not None and tuning.may_act():
        _others(job, offered)


def _will(offered: Offer) -> str:
    return raw(
        "tuning.proof_will", base=offered.base, tuned=offered.tuned, data=offered.datasets[0],
        prompt=next(iter(offered.prompts), raw("tuning.no_prompt")),
    )  # fmt: skip


def _others(job: JobPublic, offered: Offer) -> None:
    """Another prompt or other cases than those that it came from."""
    with access.reading() as session:
        known = [f"{one.name}@{one.newest}" for one in prompts.list_prompts(session, limit=200)]
        cases = [f"{one.name}@{one.newest}" for one in datasets.list_datasets(session, limit=500)]
    with st.expander(t("tuning.proof_others")):
        left, right = st.columns(2)
        prompt = left.selectbox(
            t("tuning.proof_prompt"), list(dict.fromkeys([*offered.prompts, *known])),
            key="tuning_proof_prompt",
        )  # fmt: skip
        data = right.selectbox(
            t("tuning.proof_data"), list(dict.fromkeys([*offered.datasets, *cases])),
            key="tuning_proof_data",
        )  # fmt: skip
        st.button(
            t("tuning.prove_on_these"), key="tuning_prove_these", icon=":material/rule:",
            on_click=partial(prove, job.name, prompt, data),
            disabled=tuning_serving.is_on_its_way(job) or not (prompt and data),
        )  # fmt: skip


def prove(name: str, prompt: str | None = None, data: str | None = None) -> None:
    """In a callback: start the run, or have the model served for it first."""
    try:
        tuning.check(tuning.may_act())
        proof.prove(access.database(), access.actor(), name, prompt, data)
    except PromptstoneError as error:
        access.refuse(error)
    url.put(tab="proof")
