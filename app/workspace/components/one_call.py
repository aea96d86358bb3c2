"""One call that a page makes, remembered for who asked, so that a reload keeps its answer."""

import json
from collections.abc import Callable
from typing import NamedTuple

from sqlmodel import Session

from app.server import context
from app.workspace.components import access
from app.workspace.strings import raw
from connectors.generate import Call
from connectors.models import Generation
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


def stop(found: Generation) -> None:
    """End the call; what it said stays."""
    context.current().generations.stop(found.id)
