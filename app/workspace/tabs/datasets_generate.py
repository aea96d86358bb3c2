"""The drawer in which a model writes cases: shown first, then added as the next version."""

from collections.abc import Sequence

import streamlit as st
from sqlmodel import Session

from app.server import context
from app.workspace.components import access, choices, drawer, live, numbers, one_call, table
from app.workspace.components.one_call import Question
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from connectors import generate
from connectors import service as models
from connectors.models import Generation
from connectors.prices import cost
from connectors.tokens import count_messages
from connectors.wire import Message, Usage
from core.canonical import content_hash
from core.errors import PromptstoneError
from evalsets.datasets.adding import add_cases, standing
from evalsets.improving.generating import Generated, Material, generated, messages, schema

_TOKENS_EACH = 60


def body(name: str) -> None:
    """`name` is a data set that exists: its columns are the inputs."""
    with access.reading() as session:
        names = [one.name for one in models.list_models(session)]
        first = choices.default_model(session)
        known = standing(session, name).cases
    if known is None:
        return
    describe = st.text_area(t("improve.cases_task"), height=100, key="generate_task")
    text = st.text_area(t("improve.cases_text"), height=100, key="generate_text")
    left, right = st.columns(2)
    place = names.index(first) if first in names else 0
    model = left.selectbox(t("improve.writer"), names, index=place, key="generate_model")
    wanted = right.number_input(t("improve.cases_n"), 1, 100, 20, key="generate_n")
    access.notice()
    if not (describe.strip() or text.strip()):
        st.caption(t("improve.cases_what"))
        return
    material = Material(known.columns, wanted, describe, text, known.cases)
    with access.shown_errors():
        _asked(name, model, material)


def _asked(name: str, model: str, material: Material) -> None:
    asked = messages(material)
    question = Question("dataset.generate", name, content_hash([model, asked]))
    got = one_call.answer(question)

    def call(session: Session) -> generate.Call:
        key_path = context.current().settings.key_path
        wanted = schema(material.columns)
        return generate.prepare(session, access.actor(), model, asked, key_path, schema=wanted)

    _estimate(model, asked, material.wanted)
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


def _estimate(model: str, asked: Sequence[Message], wanted: int) -> None:
    """What the call takes, a case counted as 60 tokens."""
    with access.reading() as session:
        found = models.get_model(session, model)
    read, made = count_messages(asked, found.settings.model).n, _TOKENS_EACH * wanted
    money = numbers.money(cost(Usage(read, made), found.price))
    st.caption(t("prompts.estimate", input=read, output=made, cost=money))


def _answered(name: str, material: Material, got: Generation) -> None:
    if got.state != "succeeded":
        st.error(plain(got.error or raw(f"prompts.state_{got.state}")), icon=":material/error:")
        return
    st.caption(
        t(
            "improve.took", input=numbers.count(got.input_tokens), model=got.model,
            output=numbers.count(got.output_tokens), cost=numbers.money(got.cost),
        )
    )  # fmt: skip
    found = generated(got.output, material)
    st.caption(
        t("improve.cases_left", n=len(found.cases), near=found.near_duplicates, no=found.faulty)
    )
    if found.cases:
        _shown(name, material, found)


def _shown(name: str, material: Material, found: Generated) -> None:
    rows = [{**case.inputs, "expected": case.expected or ""} for case in found.cases]
    headers = {column: column for column in material.columns} | {"expected": raw("label.expected")}
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
