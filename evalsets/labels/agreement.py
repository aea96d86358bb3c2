"""How far the annotators of a run agree (STATISTICS 8)."""

from sqlmodel import Session

from evalsets.labels.state import LabelState, label_state
from evalsets.statistics.agreement import Agreement, agreement


def run_agreement(session: Session, run_id: str) -> Agreement:
    """How far the annotators of a run agree on good and bad; a skip is missing."""
    return agreement_of(label_state(session, run_id))


def agreement_of(state: LabelState) -> Agreement:
    """The same of labels at hand."""
    return agreement(state.annotators, ratings_of(state))


def ratings_of(state: LabelState) -> list[list[str | None]]:
    """A row an item, a column an annotator; an adjudication is no opinion of its own."""
    column = {name: place for place, name in enumerate(state.annotators)}
    ratings: list[list[str | None]] = []
    for item in sorted(state.votes):
        row: list[str | None] = [None] * len(column)
        for one in state.votes[item]:
            if one.label in ("good", "bad") and not one.adjudicated:
                row[column[one.annotator]] = one.label
        ratings.append(row)
    return ratings
