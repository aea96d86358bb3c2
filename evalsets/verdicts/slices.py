"""Score by tag and by split: every arm over a part of the cases.

A slice gets intervals and no word: nothing corrects for looking at twenty tags (STATISTICS 1).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col

from evalsets.models import Case
from evalsets.runs.cells import RunCells
from evalsets.statistics.cells import Cells
from evalsets.statistics.verdict import ArmShare, arm_share

MOST_SLICES = 40


class Slice(NamedTuple):
    """The arms over the cases that carry a tag, or lie in a split."""

    kind: Literal["tag", "split"]
    name: str
    n_cases: int
    arms: tuple[ArmShare, ...]


def slices(session: Session, cells: RunCells, values: Sequence[Cells]) -> list[Slice]:
    """Splits, then tags, the most cases first, at most 40; those without a value are left out.

    `values` as of `values.values_by`.
    """
    parts = _parts(session, cells)
    found: list[Slice] = []
    for (kind, name), hashes in parts[:MOST_SLICES]:
        arms = tuple(
            arm_share(arm, {key: cell for key, cell in here.items() if key.case in hashes})
            for arm, here in zip(cells.arms, values, strict=True)
        )
        if any(arm.n for arm in arms):
            found.append(Slice(kind, name, len(hashes), arms))
    return found


_Part = tuple[Literal["tag", "split"], str]


def _parts(session: Session, cells: RunCells) -> list[tuple[_Part, set[str]]]:
    """Hashes of the inputs of each part; a part that is all of the cases tells nothing."""
    query = sa.select(col(Case.inputs_hash), col(Case.tags), col(Case.split))
    rows = session.connection().execute(query.where(col(Case.version_id) == cells.run.version_id))
    used = {row.key.case for row in cells.rows}
    found: dict[_Part, set[str]] = {}
    for inputs, tags, split in rows:
        if inputs not in used:
            continue
        if split is not None:
            found.setdefault(("split", split), set()).add(inputs)
        for tag in tags:
            found.setdefault(("tag", tag), set()).add(inputs)
    telling = [(part, hashes) for part, hashes in found.items() if len(hashes) < len(used)]
    return sorted(telling, key=lambda one: (one[0][0], -len(one[1]), one[0][1]))
