"""How many answers of the workspace are worth learning from."""

from sqlalchemy import case, func
from sqlmodel import Session, col, select

from evalsets.models import Label

_ADJUDICATED = 1_000_000
"""One who settles a dispute outvotes everybody."""


def answers_worth_learning(session: Session) -> int:
    """Answers with more good than bad labels, or a correction; each annotator's newest counts."""
    newest = select(func.max(Label.id)).group_by(Label.item_key, Label.annotator)
    weight = case((col(Label.adjudicated), _ADJUDICATED), else_=1)
    vote = case((col(Label.label) == "good", weight), (col(Label.label) == "bad", -weight), else_=0)
    corrected = case((col(Label.correction).is_not(None) & (col(Label.correction) != ""), 1))
    worth = (
        select(Label.item_key)
        .where(col(Label.id).in_(newest), col(Label.label).is_not(None))
        .group_by(Label.item_key)
        .having((func.sum(vote) > 0) | (func.count(corrected) > 0))
    )
    return session.exec(select(func.count()).select_from(worth.subquery())).one()
