"""One label of a cell from the votes of several annotators."""

from collections.abc import Sequence
from typing import NamedTuple

from evalsets.statistics.cells import State


class Vote(NamedTuple):
    """A press of an annotator; `label` None takes the earlier one back."""

    annotator: str
    label: str | None
    adjudicated: bool = False


def cell_label(votes: Sequence[Vote]) -> State:
    """The one label of a cell from its votes, oldest first.

    The newest adjudication, else the majority of good against bad, each annotator's newest vote
    counting; equal votes are disputed, only skips a skip.
    """
    judged = _newest([vote for vote in votes if vote.adjudicated])
    if judged:
        return State(judged[-1])
    labels = _newest([vote for vote in votes if not vote.adjudicated])
    good, bad = labels.count("good"), labels.count("bad")
    if good or bad:
        return State.DISPUTED if good == bad else State.GOOD if good > bad else State.BAD
    return State.SKIP if labels else State.UNLABELED


def _newest(votes: Sequence[Vote]) -> list[str]:
    """The newest label of every annotator, in the order in which these were given."""
    newest: dict[str, str | None] = {}
    for vote in votes:
        newest.pop(vote.annotator, None)
        newest[vote.annotator] = vote.label
    return [label for label in newest.values() if label is not None]
