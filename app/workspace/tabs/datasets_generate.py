"""The drawer in which a model writes cases: shown first, then added as the next version."""

import streamlit as st
from sqlmodel import Session

from app.server import context
from app.workspace.components import (
    access,
    choices,
    drawer,
    improving,
    live,
    numbers,
    one_call,
    table,
    url,
)
from app.workspace.components.one_call import Question
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import generate_passages
from connectors import generate
from connectors import service as models
from connectors.models import Generation
from core.canonical import content_hash
from core.errors import PromptstoneError
from evalsets.datasets.adding import add_cases, standing
from evalsets.improving.failures import Failure, NoFailures, failures, prompt_arms
from evalsets.improving.generating import Generated, Material, generated, messages, schema
from evalsets.improving.passages import COLUMNS
from evalsets.runs.service import list_runs

_TOKENS_EACH = 60


def body(name: str) -> None:
    """`name` is a data set: its columns are the inputs."""
    with access.reading() as session:
        names = [one.name for one in models.list_models(session)]
        first = choices.default_model(session)
        known = standing(session, name).cases
    if known is None:
        st.caption(t("improve.cases_no_data", name=name))
        return
    describe = st.text_area(t("improve.cases_task"), height=100, key="generate_task")
    text = st.text_area(t("improve.cases_text"), height=100, key="generate_text")
    bad = _failures(name)
    drawn_from = generate_passages.chosen()
    left, right = st.columns(2)
    place = names.index(first) if first in names else 0
    model = left.selectbox(t("improve.writer"), names, index=place, key="generate_model")
    wanted = right.number_input(t("improve.cases_n"), 1, 100, 20, key="generate_n")
    access.notice()
    passages = generate_passages.drawn(drawn_from, wanted, len(text)) if drawn_from else []
    if not (describe.strip() or text.strip() or bad or passages):
        st.caption(t("improve.cases_what"))
        return
    columns = [one for one in known.columns if not (passages and one in COLUMNS)]
    material = Material(columns, wanted, describe, text, known.cases, bad, passages)
    with access.shown_errors():
        _asked(name, model, material)


def _failures(name: str) -> tuple[Failure, ...]:
    """What was labeled bad in a run over this data set, where one is chosen."""
    with access.reading() as session:
        runs = {
            run.id: f"{run.title or run.dataset} · {run.id[:8]} · {numbers.ago(run.created_at)}"
            for run in list_runs(session, dataset=name)
        }
    ids, asked = list(runs), url.get("like")
    run = st.selectbox(
        t("improve.cases_like"), ids, index=ids.index(asked) if asked in runs else None,
        format_func=runs.__getitem__, key="generate_run", placeholder=raw("improve.cases_no_run"),
    )  # fmt: skip
    if run is None:
        return ()
    with access.shown_errors(), access.reading() as session:
        arms = [arm.name for arm in prompt_arms(session, run)]
        first = url.get("arm")
        arm = arms[0] if arms else None
        if len(arms) > 1:
            place = arms.index(first) if first in arms else 0
            arm = st.selectbox(t("improve.whose"), arms, index=place, key=f"generate_arm_{run}")
        try:
            found = failures(session, run, arm=arm)
        except NoFailures as none:
            improving.nothing_to_see(none)
            return ()
        st.caption(
            t("improve.seen", n=len(found.chosen), labeled=found.labeled, held=found.held_out)
        )
        return found.chosen
    return ()


def _asked(name: str, model: str, material: Material) -> None:
    asked = messages(material)
    question = Question("dataset.generate", name, content_hash([model, asked]))
    got = one_call.answer(question)

    def call(session: Session) -> generate.Call:
        key_path = context.current().settings.key_path
        wanted = schema(material)
        return generate.prepare(session, access.actor(), model, asked, key_path, schema=wanted)

    with access.reading() as session:
        found = models.get_model(session, model)
    one_call.estimate(found, asked, _TOKENS_EACH * material.wanted)
    st.button(
        t("improve.cases_again" if got else "improve.cases_ask"), key="generate_ask",
        icon=":material/auto_fix_high:", on_click=one_call.ask, args=(question, call),
        disabled=one_call.running(got),
    )  # fmt: skip
    if one_call.running(got):
        st.caption(t("improve.asking", model=model))
        live.live(lambda: one_call.running(one_call.answer(question)), alive=True)
    elif got is not None:
        _answered(name, material, got)


def _answered(name: str, material: Material, got: Generation) -> None:
    if not one_call.succeeded(got):
        return
    found = generated(got.output, material)
    st.caption(
        t("improve.cases_left", n=len(found.cases), near=found.near_duplicates, no=found.faulty)
    )
    if found.cases:
        _shown(name, material, found)


def _shown(name: str, material: Material, found: Generated) -> None:
    rows = [{**case.inputs, "expected": case.expected or ""} for case in found.cases]
    columns = (*material.columns, *(COLUMNS if material.passages else ()))
    headers = {column: column for column in columns} | {"expected": raw("label.expected")}
    table.still(rows, headers, alt=raw("datasets.tab_cases"))
    if not st.button(t("improve.cases_add"), key="generate_add", type="primary"):
        return
    try:
        here = context.current().database
        message = f"{len(found.cases)} synthetic"
        added = add_cases(here, access.actor(), name, found.cases, message)
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    access.saved("improve.cases_added", n=added.new, ref=added.version.ref)
    drawer.done(id=name)
