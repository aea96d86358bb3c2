"""Pairwise labels of two outputs that belong to no run, such as votes in the playground."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from core.audit import actor_of
from core.canonical import content_hash
from core.errors import Invalid
from evalsets.labels.service import annotator_of
from evalsets.models import OutputPreference

PREFERENCES = ("a", "b", "tie")


class OutputPair(NamedTuple):
    """Two outputs to the same inputs, `a` shown left, and the names of the arms that said them.

    `place` is the name of a data set, or `scene:ID`.
    """

    place: str
    inputs: Mapping[str, Any]
    output_a: str
    output_b: str
    arm_a: str
    arm_b: str

    @property
    def key(self) -> str:
        """64 hex digits of place, inputs and both outputs, whichever stood left."""
        return content_hash([self.place, self.inputs, sorted([self.output_a, self.output_b])])


def save_output_preference(session: Session, pair: OutputPair, preference: str) -> int:
    """Append what the session's actor prefers; returns the row's id."""
    if preference not in PREFERENCES:
        known = ", ".join(PREFERENCES)
        raise Invalid(f"There is no preference {preference!r}. Use one of {known}.")
    row = OutputPreference(
        place=pair.place,
        pair_key=pair.key,
        inputs=dict(pair.inputs),
        output_a=pair.output_a,
        output_b=pair.output_b,
        arm_a=pair.arm_a,
        arm_b=pair.arm_b,
        annotator=annotator_of(session),
        preference=preference,
        actor=actor_of(session),
    )
    session.add(row)
    session.flush()
    return row.id or 0


def newest_output_preferences(session: Session, place: str) -> list[OutputPreference]:
    """The rows that count: the newest of each annotator for each pair and its two arms."""
    query = select(OutputPreference).where(OutputPreference.place == place)
    found: dict[tuple[object, ...], OutputPreference] = {}
    for row in session.exec(query.order_by(col(OutputPreference.id))):
        found[(row.pair_key, *sorted([row.arm_a, row.arm_b]), row.annotator)] = row
    return list(found.values())
