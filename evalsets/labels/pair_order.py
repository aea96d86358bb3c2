"""Which pairs a labeling plan holds and in which order: decided by its seed alone."""

import random
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from evalsets.runs.cells import RunCell
from evalsets.statistics.cells import CellKey


class Pair(NamedTuple):
    """The cells of one case and repeat that have an output, in the order of the arms."""

    key: CellKey
    cells: tuple[RunCell, ...]


class PlannedItem(NamedTuple):
    """One output to label, and the first cell of the plan that holds it."""

    item_key: str
    cell: int


def pairs_of(rows: Iterable[RunCell]) -> list[Pair]:
    """All pairs of a run with at least one output; rows in the order of their numbers."""
    found: dict[CellKey, list[RunCell]] = {}
    for row in rows:
        if row.state == "succeeded" and row.item_key:
            found.setdefault(row.key, []).append(row)
    return [Pair(key, tuple(cells)) for key, cells in found.items()]


def draw(pairs: Sequence[Pair], count: int, seed: int) -> list[Pair]:
    """The first `count` pairs of the seed's order, each with its arms shuffled.

    Pairs that miss an arm's output come last: they inform no comparison with that arm.
    """
    order = random.Random(seed)
    shuffled = [Pair(key, tuple(order.sample(cells, len(cells)))) for key, cells in pairs]
    order.shuffle(shuffled)
    shuffled.sort(key=lambda pair: -len(pair.cells))
    return shuffled[:count]


def items_of(pairs: Iterable[Pair], known: Collection[str] = ()) -> list[PlannedItem]:
    """Outputs in handing-out order; equal ones once, those of `known` never."""
    found: dict[str, PlannedItem] = {}
    for pair in pairs:
        for cell in pair.cells:
            key = cell.item_key
            if key and key not in known:
                found.setdefault(key, PlannedItem(key, cell.number))
    return list(found.values())
