"""A trained model on its way to a server: what it does now, and what the server's answers show."""

import streamlit as st

from app.workspace.components import access, navigation, numbers, table, url
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from core.errors import NotFound
from evalsets.runs.service import get_run
from tuning.jobs import JobPublic
from tuning.parity import Certificate
from tuning.serving import OVER, serving_of


def is_on_its_way(job: JobPublic) -> bool:
    """Whether a worker brings it to a server, or starts its proof next."""
    asked = serving_of(job)
    if asked is None:
        return False
    waits = asked.state == "ready" and asked.proof is not None and job.proof_run is None
    return asked.state not in OVER or waits


def draw(job: JobPublic) -> None:
    """How far it is, why it could not be served, or who serves it."""
    asked = serving_of(job)
    if asked is None:
        return
    route = raw(f"tuning.route_{asked.route.kind}", backend=asked.route.backend)
    if asked.state == "failed":
        st.error(plain(asked.reason or raw("tuning.not_served")), icon=":material/error:")
    elif asked.state != "ready":
        st.caption(f"{t(f'tuning.serving_{asked.state}')} {plain(route)}")
    else:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text(raw("tuning.served"), width="content")
            name = asked.route.backend
            url.link("backends", plain(name), navigation.ICONS["backends"], id=name)
            st.text(route, width="content")


def certificate(job: JobPublic) -> Certificate | None:
    """What comparing the server with the trainer showed; None before that."""
    return None if job.parity is None else Certificate.model_validate(job.parity)


def parity(found: Certificate) -> str:
    """20 held-out prompts: same tokens in 20, same greedy answer 19; what rounding explains."""
    said = raw(
        "tuning.parity", n=numbers.count(found.prompts),
        same_in=numbers.count(found.token_ids_equal), same_out=numbers.count(found.answers_equal),
    )  # fmt: skip
    return f"{said} {_ties(found)}".strip()


def _ties(found: Certificate) -> str:
    return raw("tuning.parity_ties", n=numbers.count(found.near_ties)) if found.near_ties else ""


def differences(found: Certificate) -> None:
    """Where the first of them part."""
    if not found.differences:
        return
    rows = [
        {
            "prompt": numbers.count(one.prompt + 1), "where": raw(f"tuning.where_{one.where}"),
            "token": numbers.count(one.token + 1), "margin": _margin(one.margin),
            "trainer": visible(one.trainer), "server": visible(one.server),
        }
        for one in found.differences
    ]  # fmt: skip
    columns = ("prompt", "where", "token", "margin", "trainer", "server")
    headings = {column: raw(f"tuning.parity_{column}") for column in columns}
    table.still(rows, headings, alt=raw("tuning.parity_differences"))


def _margin(nats: float | None) -> str:
    return numbers.MISSING if nats is None else f"{nats:.2f}"


def proof_state(job: JobPublic) -> str | None:
    """The state of the run that compares base and tuned; None without one."""
    if job.proof_run is None:
        return None
    try:
        with access.reading() as session:
            return get_run(session, job.proof_run).status
    except NotFound:
        return None
