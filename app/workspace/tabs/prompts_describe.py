"""The drawer that drafts a prompt from a description; the draft opens unsaved in the editor."""

import streamlit as st
from sqlmodel import Session

from app.server import context
from app.workspace.components import access, choices, drawer, live, one_call, output
from app.workspace.components.one_call import Question
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from connectors import generate
from connectors import service as models
from connectors.models import Generation
from core.canonical import content_hash
from core.errors import Conflict, PromptstoneError
from evalsets.improving.drafting import SCHEMA, drafted, messages
from evalsets.improving.proposal import Proposal
from evalsets.runs.budget import DEFAULT_OUTPUT
from prompts import service
from prompts.content import MessageTemplate, PromptContent
from prompts.models import PromptDraft

_BLANK = PromptContent(messages=(MessageTemplate(role="user", content=""),))


def body() -> None:
    with access.reading() as session:
        names = [one.name for one in models.list_models(session)]
        first = choices.default_model(session)
    task = st.text_area(t("improve.task"), height=160, key="describe_task")
    place = names.index(first) if first in names else 0
    model = st.selectbox(t("improve.writer"), names, index=place, key="describe_model")
    access.notice()
    if not task.strip():
        st.caption(t("improve.describe_what"))
        return
    question = Question("prompt.describe", "new", content_hash([task, model]))
    got = one_call.answer(question)
    with access.shown_errors():
        _foot(question, task, model, got)
        if one_call.running(got):
            st.caption(t("improve.asking", model=model))
            live.live(lambda: one_call.running(one_call.answer(question)), alive=True)
        elif got is not None:
            _answered(got)


def _foot(question: Question, task: str, model: str, got: Generation | None) -> None:
    """What the call takes, and its button."""
    asked = messages(task)
    with access.reading() as session:
        found = models.get_model(session, model)
    one_call.estimate(found, asked, DEFAULT_OUTPUT)

    def call(session: Session) -> generate.Call:
        key_path = context.current().settings.key_path
        return generate.prepare(session, access.actor(), model, asked, key_path, schema=SCHEMA)

    st.button(
        t("improve.draft_again" if got else "improve.draft"), key="describe_ask",
        icon=":material/auto_fix_high:", on_click=one_call.ask, args=(question, call),
        disabled=one_call.running(got),
    )  # fmt: skip


def _answered(got: Generation) -> None:
    if not one_call.succeeded(got):
        return
    try:
        made = drafted(got.output)
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        output.output(got.output, key="describe_said", label=raw("improve.said"))
        return
    if made.reason:
        st.text(raw("improve.why", reason=made.reason))
    for place, message in enumerate(made.content.messages):
        st.caption(plain(message.role))
        output.output(message.content, key=f"describe_{place}", label=message.role)
    _open(made)


def _open(made: Proposal) -> None:
    """A prompt whose first version is blank, and the draft on top of it."""
    with drawer.form("prompt_describe"):
        name = st.text_input(t("prompts.name"), help=t("prompts.name_help")).strip()

        def make(session: Session) -> bool:
            if not service.save_version(session, name, _BLANK, based_on=0).created:
                raise Conflict(raw("improve.name_taken", name=name))
            content = made.content.model_dump(mode="json")
            service.save_draft(session, name, PromptDraft(based_on=1, content=content))
            return True

        opened = drawer.submit("improve.open_draft", make)
    if opened:
        drawer.done(id=name)
