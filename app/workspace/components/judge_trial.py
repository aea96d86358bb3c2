"""Answers of a judge that is tried: asked on the server's loop, remembered so that a reload keeps
them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlmodel import Session, col, select

from app.server import context
from app.workspace.components import access
from app.workspace.strings import raw
from connectors.body import build_body
from connectors.generate import Call
from connectors.models import Generation
from connectors.service import target_of
from core import drafts
from core.canonical import content_hash
from core.errors import Forbidden, PromptstoneError
from evalsets.runs.manifest import FrozenJudge
from evalsets.runs.trying import JudgeCall

_KIND = "evaluator.trial"
_ASKERS = ("admin", "engineer", "publisher")


class Question(NamedTuple):
    """What a judge is to be asked, by cell and order; `name` is the evaluator that is open."""

    name: str
    judge: FrozenJudge
    calls: Mapping[str, JudgeCall]

    @property
    def key(self) -> str:
        """Another rubric, model or answer is another question."""
        target = self.judge.model.target
        bodies = [build_body(target, call.request) for call in self.calls.values()]
        return content_hash([target.name, list(self.calls), bodies])


def answers(question: Question) -> dict[str, Generation]:
    """What was asked of just this, by its key in `calls`; nothing of another's."""
    asked = _asked(question)
    if not asked:
        return {}
    with access.reading() as session:
        query = select(Generation).where(col(Generation.id).in_(list(asked.values())))
        found = {row.id: row for row in session.exec(query) if row.actor == access.actor()}
    return {key: found[id_] for key, id_ in asked.items() if id_ in found}


def running(found: Mapping[str, Generation]) -> bool:
    """Whether an answer is still to come."""
    return any(one.state == "sent" for one in found.values())


def _asked(question: Question) -> dict[str, str]:
    with access.reading() as session:
        draft = drafts.load_draft(session, access.actor(), _KIND, question.name)
    kept: dict[str, Any] = json.loads(draft.content) if draft is not None else {}
    if kept.get("key") != question.key:
        return {}
    return {key: cast(str, id_) for key, id_ in kept["asked"].items()}


def ask(question: Question) -> None:
    """Send every call; a second press while they run sends nothing."""
    if running(answers(question)):
        return
    try:
        started = _start(question)
    except PromptstoneError as error:
        access.refuse(error)
        return
    text = json.dumps({"key": question.key, "asked": started})
    access.act(lambda session: (drafts.save_draft(session, _KIND, question.name, text), True))


def _start(question: Question) -> dict[str, str]:
    here = context.current()
    user = here.signed_in(access.cookies())  # a page may be older than a role
    if user is None or user.role not in _ASKERS:
        raise Forbidden(raw("evaluators.needs_engineer"))
    with access.reading() as session:
        calls = _calls(session, question)
    return {key: here.generations.start(call) for key, call in calls.items()}


def _calls(session: Session, question: Question) -> dict[str, Call]:
    judge = question.judge
    target = target_of(session, judge.model.name, context.current().settings.key_path)
    return {
        key: Call(
            access.actor(),
            target,
            call.request,
            judge.model.price,
            judge.prompt_name,
            judge.prompt_version,
        )
        for key, call in question.calls.items()
    }


def stop(found: Sequence[Generation]) -> None:
    """End what is still asked; what was answered stays."""
    for one in found:
        if one.state == "sent":
            context.current().generations.stop(one.id)
