"""What labels say about the arms of a run: shares and cost per good."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import func
from sqlmodel import Session, col, select

from evalsets.labels.state import label_state
from evalsets.models import Answer, Case, Cell, Label
from evalsets.runs.cells import RunCell, arm_names, get_run, load_cells
from evalsets.statistics.cells import CellKey, CellValue, State
from evalsets.statistics.quantiles import Interval
from evalsets.statistics.shares import CaseCost, CostPerGood, cost_per_good, share_of_good


@dataclass(frozen=True)
class ArmLabels:
    """Cells of an arm by label. `unlabeled` has an output and no label, disputed ones included."""

    arm: str
    good: int
    bad: int
    skip: int
    unlabeled: int
    disputed: int
    share: float | None
    ci95: Interval | None


def share_of_labels(session: Session, run_id: str) -> list[ArmLabels]:
    """Share of good of every arm in the manifest's order, with its interval (STATISTICS 2).

    Reads only the cells that have a label: `run show` and the live pages come here.
    """
    arms = arm_names(get_run(session, run_id))
    states = label_state(session, run_id).states()
    labeled = _labeled_cells(session, run_id) if states else []
    answered = _answered(session, run_id)
    return [
        _arm_labels(name, answered.get(arm, 0), [row for row in labeled if row.arm == arm], states)
        for arm, name in enumerate(arms)
    ]


class _LabeledCell(NamedTuple):
    arm: int
    case: str
    item_key: str


def _labeled_cells(session: Session, run_id: str) -> list[_LabeledCell]:
    labels = select(Label.item_key)
    query = select(Cell.arm, Case.inputs_hash, Cell.item_key).join(
        Case, col(Case.id) == Cell.case_ref
    )
    query = query.where(
        Cell.run_id == run_id, Cell.state == "succeeded", col(Cell.item_key).in_(labels)
    )
    return [_LabeledCell(*row) for row in session.connection().execute(query)]


def _answered(session: Session, run_id: str) -> dict[int, int]:
    query = select(Cell.arm, func.count()).where(Cell.run_id == run_id, Cell.state == "succeeded")
    return dict(session.connection().execute(query.group_by(col(Cell.arm))).all())


def _arm_labels(
    name: str, answered: int, rows: Sequence[_LabeledCell], states: Mapping[str, State]
) -> ArmLabels:
    said = [states.get(row.item_key) for row in rows]
    cases: dict[str, list[float]] = {}
    for row, state in zip(rows, said, strict=True):
        if state in (State.GOOD, State.BAD):
            cases.setdefault(row.case, []).append(float(state is State.GOOD))
    good, bad, skip = (said.count(state) for state in (State.GOOD, State.BAD, State.SKIP))
    share = share_of_good(list(cases.values()))
    return ArmLabels(
        arm=name,
        good=good,
        bad=bad,
        skip=skip,
        unlabeled=answered - good - bad - skip,
        disputed=said.count(State.DISPUTED),
        share=share.share,
        ci95=share.ci95,
    )


def cell_values(rows: Iterable[RunCell], states: Mapping[str, State]) -> dict[CellKey, CellValue]:
    """Cells of one arm as the statistics take them; a pending cell is unlabeled."""
    found: dict[CellKey, CellValue] = {}
    for row in rows:
        if row.state == "failed":
            found[row.key] = State.FAILED
        else:
            found[row.key] = states.get(row.item_key or "", State.UNLABELED)
    return found


def costs_per_good(
    session: Session, run_id: str, costs: Sequence[Decimal | None], succeeded: Sequence[int]
) -> list[CostPerGood]:
    """Cost per good answer of every arm (STATISTICS 11).

    `costs`: USD of every arm with failed attempts, a cached cell at the price of its first call,
    None when any part is unpriced; `succeeded`: its cells with an output.
    """
    cells = load_cells(session, run_id)
    states = label_state(session, run_id).states()
    query = sa.select(col(Cell.number), col(Answer.cost))
    query = query.join(Answer, col(Answer.id) == col(Cell.answer_id))
    paid = dict(session.execute(query.where(col(Cell.run_id) == run_id)).all())
    return [
        cost_per_good(_case_costs(rows, states, paid), costs[arm], succeeded[arm])
        for arm, rows in enumerate(cells.by_arm())
    ]


def _case_costs(
    rows: Iterable[RunCell],
    states: Mapping[str, State],
    paid: Mapping[int, Decimal | None],
) -> list[CaseCost]:
    cases: dict[str, list[tuple[Decimal | None, bool]]] = {}
    for row in rows:
        said = states.get(row.item_key or "")
        if said in (State.GOOD, State.BAD):
            cell = (paid.get(row.number), said is State.GOOD)
            cases.setdefault(row.key.case, []).append(cell)
    return [
        CaseCost(
            cost=None if any(cost is None for cost, _ in found) else _total(found),
            good=sum(good for _, good in found),
            labeled=len(found),
        )
        for found in cases.values()
    ]


def _total(found: Sequence[tuple[Decimal | None, bool]]) -> Decimal:
    return sum((cost for cost, _ in found if cost is not None), Decimal(0))
