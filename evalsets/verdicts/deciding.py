"""What decides between two arms: the pairs of cells that differ, biggest first."""

from typing import NamedTuple

from evalsets.runs.cells import RunCells
from evalsets.statistics.cells import Cells, value_of


class Deciding(NamedTuple):
    """A pair of cells of one case and repeat with different values: 1 good, 0 bad, or scores."""

    case_id: str
    repeat: int
    baseline_cell: int
    candidate_cell: int
    baseline: float
    candidate: float

    @property
    def difference(self) -> float:
        """Candidate minus baseline."""
        return self.candidate - self.baseline

    @property
    def candidate_better(self) -> bool:
        """Which of both has the higher value."""
        return self.difference > 0


def what_decides(
    cells: RunCells, values: list[Cells], baseline: int, candidate: int
) -> list[Deciding]:
    """Pairs in which two arms differ, both directions; the biggest case first, then in order.

    `values` as of `values_by`. How much a case weighs is the sum over its repeats, which is what
    the test of the difference flips.
    """
    arms = cells.by_arm()
    theirs = {row.key: row for row in arms[baseline]}
    found: list[Deciding] = []
    weight: dict[str, float] = {}
    hashes: dict[int, str] = {}
    for row in arms[candidate]:
        other = theirs.get(row.key)
        if other is None:
            continue
        ours, before = value_of(values[candidate][row.key]), value_of(values[baseline][row.key])
        if ours is None or before is None:
            continue
        weight[row.key.case] = weight.get(row.key.case, 0.0) + ours - before
        if ours != before:
            hashes[row.number] = row.key.case
            found.append(Deciding(row.case_id, row.repeat, other.number, row.number, before, ours))
    return sorted(found, key=lambda one: -abs(weight[hashes[one.candidate_cell]]))
