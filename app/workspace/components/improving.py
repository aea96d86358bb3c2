"""The proposal of a better prompt: asked of a model, saved when a person accepts it."""

from typing import NamedTuple

import streamlit as st
from sqlmodel import Session

from app.server import context
from app.workspace.components import access, one_call
from app.workspace.strings import t
from connectors.generate import Call, prepare
from connectors.models import Generation
from core.canonical import content_hash
from core.errors import PromptstoneError
from evalsets.improving import asking
from evalsets.improving.accepting import accept
from evalsets.improving.failures import Failures, NoFailures
from evalsets.improving.proposal import SCHEMA, Proposal, pins
from prompts import service
from prompts.checks import prepared

_KIND = "run.improve"


class Asked(NamedTuple):
    """Failures and the model that reads them."""

    found: Failures
    model: str

    @property
    def question(self) -> one_call.Question:
        """Another model, arm or label is another question."""
        key = content_hash([self.model, asking.messages(self.found)])
        return one_call.Question(_KIND, self.found.run_id, key)


def nothing_to_see(none: NoFailures) -> None:
    """Say why there is nothing to learn from, and what to do."""
    key = "improve.all_held" if none.held_out else "improve.none_bad"
    st.caption(t(key, arm=none.arm, n=none.held_out))


def ask(asked: Asked) -> None:
    """Send the failures to the model."""

    def call(session: Session) -> Call:
        prompt = asked.found.prompt
        return prepare(
            session, access.actor(), asked.model, asking.messages(asked.found),
            context.current().settings.key_path, schema=SCHEMA, prompt=prompt.name,
            version=prompt.version,
        )  # fmt: skip

    one_call.ask(asked.question, call)


def accepted(asked: Asked, proposal: Proposal) -> None:
    """Save the proposal as a version; a refusal is kept for the next drawing."""
    prompt = asked.found.prompt
    try:
        content = prepared(proposal.content, pins(prompt.content))
        with access.writing() as session:
            accept(
                session, prompt.name, content, based_on=prompt.version,
                message=asking.version_message(asked.found),
            )  # fmt: skip
    except PromptstoneError as error:
        access.refuse(error)


def saved_as(asked: Asked, proposal: Proposal) -> int | None:
    """The version that holds the proposal, if one was saved since."""
    prompt = asked.found.prompt
    with access.reading() as session:
        for version in service.history(session, prompt.name, limit=20):
            if version.version <= prompt.version:
                break
            content = service.get(session, prompt.name, version.version).content
            if content.messages == proposal.content.messages:
                return version.version
    return None


def answer(asked: Asked) -> Generation | None:
    """What the model said, as far as it did."""
    return one_call.answer(asked.question)
