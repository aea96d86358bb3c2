"""One call that a page makes: what it will take, its answer that a reload keeps, what it took."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

import streamlit as st
from sqlmodel import Session

from app.server import context
from app.workspace.components import access, numbers
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from connectors.generate import Call
from connectors.models import Generation
from connectors.prices import cost
from connectors.service import ModelPublic
from connectors.tokens import count_messages
from connectors.wire import Message, Usage
from core import drafts
from core.errors import Forbidden, PromptstoneError

_ASKERS = ("admin", "engineer", "publisher")


class Question(NamedTuple):
    """`kind` and `ref` say where it was asked; with another `key` it is another question."""

    kind: str
    ref: str
    key: str


def answer(question: Question) -> Generation | None:
    """What was asked of just this by who looks."""
    with access.reading() as session:
        draft = drafts.load_draft(session, access.actor(), question.kind, question.ref)
        kept = json.loads(draft.content) if draft is not None else {}
        if kept.get("key") != question.key:
            return None
        found = session.get(Generation, kept["asked"])
    return found if found is not None and found.actor == access.actor() else None


def running(found: Generation | None) -> bool:
    """Whether the answer is still to come."""
    return found is not None and found.state == "sent"


def ask(question: Question, made: Callable[[Session], Call]) -> None:
    """Send the call; a second press while it runs sends nothing."""
    if running(answer(question)):
        return
    here = context.current()
    try:
        user = here.signed_in(access.cookies())  # a page may be older than a role
        if user is None or user.role not in _ASKERS:
            raise Forbidden(raw("evaluators.needs_engineer"))
        with access.reading() as session:
            call = made(session)
        asked = here.generations.start(call)
    except PromptstoneError as error:
        access.refuse(error)
        return
    text = json.dumps({"key": question.key, "asked": asked})
    access.act(lambda s: (drafts.save_draft(s, question.kind, question.ref, text), True))


def estimate(model: ModelPublic, asked: Sequence[Message], made: int) -> None:
    """Tokens and cost of a call that makes `made` tokens, before it is made."""
    read = count_messages(asked, model.settings.model).n
    tell(read, made, cost(Usage(read, made), model.price))


def tell(read: int, made: int, price: Decimal | None) -> None:
    """Tokens in and out and US dollars, before a call is made."""
    money = numbers.money(price)
    st.caption(
        t("prompts.estimate", input=numbers.count(read), output=numbers.count(made), cost=money)
    )


def took(row: Generation) -> None:
    """Tokens, cost and times of a call that has ended; nothing where it has not."""
    if row.latency_ms is None:
        return
    said = {
        "input": numbers.count(row.input_tokens),
        "output": numbers.count(row.output_tokens),
        "cost": numbers.money(row.cost),
        "latency": numbers.span(row.latency_ms),
    }
    if row.ttft_ms is None:
        st.caption(t("prompts.took_short", **said))
    else:
        st.caption(t("prompts.took", ttft=numbers.span(row.ttft_ms), **said))


def succeeded(got: Generation) -> bool:
    """Draw which model answered and for how much, or why there is no answer."""
    if got.state != "succeeded":
        st.error(plain(got.error or raw(f"prompts.state_{got.state}")), icon=":material/error:")
        return False
    st.caption(
        t(
            "improve.took", input=numbers.count(got.input_tokens), model=got.model,
            output=numbers.count(got.output_tokens), cost=numbers.money(got.cost),
        )
    )  # fmt: skip
    return True


def stop(found: Generation) -> None:
    """End the call; what it said stays."""
    context.current().generations.stop(found.id)
