"""The cells of a run with the cases behind them, light enough for 20,000 at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col

from core.errors import Invalid, NotFound
from evalsets.models import Case, Cell, Run
from evalsets.statistics.cells import CellKey


class RunCell(NamedTuple):
    """`key` is the case by its inputs and what tells its cells apart, the same in every arm.

    `position` is the row of the data set version; `state` pending, succeeded or failed.
    """

    number: int
    arm: int
    case_id: str
    position: int
    repeat: int
    state: str
    item_key: str | None
    key: CellKey


@dataclass(frozen=True)
class RunCells:
    """All cells of a run, by number; `arms` are the names in the manifest's order."""

    run: Run
    arms: tuple[str, ...]
    rows: tuple[RunCell, ...]

    def arm_position(self, name: str) -> int:
        """Position of an arm by name; raises Invalid with the names there are."""
        return arm_position(self.arms, name)

    def by_arm(self) -> list[list[RunCell]]:
        """Cells of every arm."""
        found: list[list[RunCell]] = [[] for _ in self.arms]
        for row in self.rows:
            found[row.arm].append(row)
        return found

    def answered(self) -> Iterator[RunCell]:
        """Cells with an output."""
        return (row for row in self.rows if row.state == "succeeded")


def get_run(session: Session, run_id: str) -> Run:
    """The row of a run; raises NotFound."""
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id!r}. `promptstone run list` shows the runs.")
    return run


def arm_names(run: Run) -> tuple[str, ...]:
    """Names of the arms in the order in which `cells.arm` counts them."""
    return tuple(str(arm["name"]) for arm in run.manifest["arms"])


def arm_position(arms: Sequence[str], name: str) -> int:
    """Position of an arm by name; raises Invalid with the names there are."""
    if name not in arms:
        known = "; ".join(map(repr, arms))
        raise Invalid(f"The run has no arm {name!r}. Choose one of {known}.", param="arm")
    return arms.index(name)


def load_cells(session: Session, run_id: str) -> RunCells:
    """Every cell of a run, without its texts."""
    run = get_run(session, run_id)
    query = sa.select(
        col(Cell.number),
        col(Cell.arm),
        col(Cell.case_ref),
        col(Cell.repeat),
        col(Cell.state),
        col(Cell.item_key),
    ).where(col(Cell.run_id) == run_id)
    query = query.order_by(col(Cell.number))
    cells = session.connection().execute(query).all()  # half the time of the ORM's own rows
    cases = _cases(session, run)
    ordinals = _ordinals(((arm, ref) for _, arm, ref, *_ in cells), cases)
    rows: list[RunCell] = []
    for number, arm, ref, repeat, state, item in cells:
        case = cases[ref]
        key = CellKey(case.inputs_hash, (ordinals.get((arm, ref), 0), repeat))
        rows.append(RunCell(number, arm, case.case_id, case.position, repeat, state, item, key))
    return RunCells(run, arm_names(run), tuple(rows))


class _CaseRow(NamedTuple):
    case_id: str
    position: int
    inputs_hash: str


def _cases(session: Session, run: Run) -> dict[int, _CaseRow]:
    query = sa.select(col(Case.id), col(Case.case_id), col(Case.position), col(Case.inputs_hash))
    found = session.connection().execute(query.where(col(Case.version_id) == run.version_id))
    return {row[0] or 0: _CaseRow(row[1], row[2], row[3]) for row in found}


def _ordinals(
    used: Iterator[tuple[int, int]], cases: Mapping[int, _CaseRow]
) -> dict[tuple[int, int], int]:
    """(arm, case row) → how many rows with equal inputs come before it in that arm; 0 left out.

    Counted within the arm, because arms of an imported run may name the same inputs by
    different rows.
    """
    if len({case.inputs_hash for case in cases.values()}) == len(cases):
        return {}
    together: dict[tuple[int, str], set[int]] = {}
    for arm, ref in used:
        together.setdefault((arm, cases[ref].inputs_hash), set()).add(ref)
    return {
        (arm, ref): ordinal
        for (arm, _), refs in together.items()
        if len(refs) > 1
        for ordinal, ref in enumerate(sorted(refs, key=lambda ref: cases[ref].position))
    }
