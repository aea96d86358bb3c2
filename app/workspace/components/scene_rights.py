"""Whose eyes an answer from documents is for: whoever may see all passages that it was made of.

An answer can repeat its passages word for word, so it is withheld as they are.
"""

from collections.abc import Iterable

from sqlmodel import Session, col, select

from app.workspace.components import access, knowledge_rights
from app.workspace.components.scene_asking import Answers
from prompts.scene import Reading, SceneState
from rag.access import passes, rule_of
from rag.models import Document, KnowledgeBase


def withheld(session: Session, state: SceneState, found: Answers) -> frozenset[str]:
    """The answers of a scene that who looks must not see now, whoever asked for them."""
    if knowledge_rights.subject() is None:
        return frozenset()
    readings = [one for column in state.columns for one in column.readings]
    mine = {key for key, row in found.items() if row.actor == access.actor()}
    return frozenset(
        answer
        for one in readings
        for answer in _withheld(session, one, mine.intersection(one.answers))
    )


def _withheld(session: Session, reading: Reading, mine: Iterable[str]) -> set[str]:
    """What is gone has no rule any more: then it is for whoever asked."""
    base = session.get(KnowledgeBase, reading.base_id)
    if base is None:
        return set(reading.answers).difference(mine)
    rule = rule_of(session, base, knowledge_rights.subject())
    if not rule:
        return set()
    ids = {str(one["document_id"]) for one in reading.sources}
    query = select(Document).where(col(Document.id).in_(ids), Document.base_id == base.id)
    documents = list(session.exec(query))
    if not all(passes(one.meta, rule) for one in documents):
        return set(reading.answers)
    return set() if len(documents) == len(ids) else set(reading.answers).difference(mine)
