"""What changed between two runs over one data set: arm by arm, and cell by cell.

Arms are matched by name, then by prompt and model, then by prompt; cases by their inputs, so that
versions of the data set may differ. Figures have intervals and p-values but no words: no plan
declared this question.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from core.errors import Invalid
from evalsets.models import Run
from evalsets.runs.arm_report import ArmReport, arm_reports
from evalsets.runs.cells import RunCell, RunCells, load_cells
from evalsets.statistics.cells import Cells, State, value_of
from evalsets.statistics.comparison import Comparison, compare
from evalsets.statistics.verdict import ArmShare, arm_share
from evalsets.statistics.words import holm
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.scored_arms import evaluators_of
from evalsets.verdicts.values import values_by


class CellChange(NamedTuple):
    """A case and repeat whose value changed; None is a cell without an answer."""

    arm: str
    case_id: str
    repeat: int
    before_cell: int
    after_cell: int
    before: float | None
    after: float | None

    @property
    def change(self) -> float:
        """After minus before, a failed cell taken as 0; for the order of a list."""
        return (self.after or 0.0) - (self.before or 0.0)

    @property
    def is_worse(self) -> bool:
        """Newly failing: the value fell, or there is no answer any more."""
        return self.after is None or (self.before is not None and self.after < self.before)


@dataclass(frozen=True)
class ArmChange:
    """One arm of both runs; in `comparison` the later run is the candidate."""

    before: ArmReport
    after: ArmReport
    before_share: ArmShare
    after_share: ArmShare
    comparison: Comparison
    worse: tuple[CellChange, ...]
    better: tuple[CellChange, ...]

    @property
    def name(self) -> str:
        """The arm as the later run names it."""
        return self.after.arm


@dataclass(frozen=True)
class BetweenRuns:
    """`cases` are in both runs; `only_before` and `only_after` are arms without a partner.

    `evaluator_changed`: the evaluator of this name had other settings in the earlier run.
    """

    before: Run
    after: Run
    by: str
    cases: int
    cases_only_before: int
    cases_only_after: int
    arms: tuple[ArmChange, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    evaluator_changed: bool


def compare_runs(
    session: Session, before_id: str, after_id: str, by: str | None = None
) -> BetweenRuns:
    """The later run against the earlier one.

    `by`: label or an evaluator of both, by default labels where both have some, else the first
    evaluator of both. Raises NotFound for a run, Invalid for runs of different data sets.
    """
    before, after = load_cells(session, before_id), load_cells(session, after_id)
    _check(before.run, after.run)
    by = by or _figure(session, before, after)
    values = values_by(session, before, by), values_by(session, after, by)
    reports = arm_reports(session, before_id), arm_reports(session, after_id)
    pairs = match_arms(reports[0], reports[1])
    arms = [
        _arm((before, values[0], reports[0], old), (after, values[1], reports[1], new))
        for old, new in pairs
    ]
    ours, theirs = ({row.key.case for row in cells.rows} for cells in (after, before))
    return BetweenRuns(
        before=before.run,
        after=after.run,
        by=by,
        cases=len(ours & theirs),
        cases_only_before=len(theirs - ours),
        cases_only_after=len(ours - theirs),
        arms=tuple(_corrected(arms)),
        only_before=_alone(before.arms, [old for old, _ in pairs]),
        only_after=_alone(after.arms, [new for _, new in pairs]),
        evaluator_changed=by != LABEL and _spec(before.run, by) != _spec(after.run, by),
    )


def _check(before: Run, after: Run) -> None:
    if before.id == after.id:
        raise Invalid("A run does not differ from itself. Choose another run.", param="run")
    if before.dataset != after.dataset:
        raise Invalid(
            f"The runs have different data sets, {before.dataset!r} and {after.dataset!r}. "
            f"Choose a run over {after.dataset!r}.",
            param="run",
        )


def runs_beside(session: Session, run: Run, limit: int = 100) -> list[Run]:
    """Other runs over the data set of a run, newest first."""
    query = select(Run).where(Run.dataset == run.dataset, Run.id != run.id)
    return list(session.exec(query.order_by(col(Run.id).desc()).limit(limit)))


def figures_of_both(session: Session, before_id: str, after_id: str) -> list[str]:
    """What two runs can be compared by."""
    later = evaluators_of(session, after_id)
    return [LABEL, *(name for name in evaluators_of(session, before_id) if name in later)]


def _figure(session: Session, before: RunCells, after: RunCells) -> str:
    names = figures_of_both(session, before.run.id, after.run.id)
    labeled = all(
        any(
            value_of(cell) is not None
            for arm in values_by(session, cells, LABEL)
            for cell in arm.values()
        )
        for cells in (before, after)
    )
    return LABEL if labeled or len(names) == 1 else names[1]


def match_arms(before: Sequence[ArmReport], after: Sequence[ArmReport]) -> list[tuple[int, int]]:
    """Places of arms that belong together, in the order of the later run."""
    ways: tuple[Callable[[ArmReport], Hashable], ...] = (
        lambda arm: arm.arm,
        lambda arm: arm.prompt and (arm.prompt, arm.model, repr(sorted(arm.params.items()))),
        lambda arm: arm.prompt and (arm.prompt, arm.model),
        lambda arm: arm.prompt,
    )
    left, found = list(range(len(before))), dict[int, int]()
    for way in ways:
        for new, arm in enumerate(after):
            name = way(arm)
            old = next((place for place in left if name and way(before[place]) == name), None)
            if new not in found and old is not None:
                left.remove(old)
                found[new] = old
    return [(found[new], new) for new in sorted(found)]


_Side = tuple[RunCells, Sequence[Cells], Sequence[ArmReport], int]


def _arm(before: _Side, after: _Side) -> ArmChange:
    (old_cells, old_values, old_reports, old), (new_cells, new_values, new_reports, new) = (
        before,
        after,
    )
    changes = _changes(
        new_cells.arms[new],
        (old_cells.by_arm()[old], old_values[old]),
        (new_cells.by_arm()[new], new_values[new]),
    )
    changes.sort(key=lambda one: -abs(one.change))
    return ArmChange(
        before=old_reports[old],
        after=new_reports[new],
        before_share=arm_share(old_cells.arms[old], old_values[old]),
        after_share=arm_share(new_cells.arms[new], new_values[new]),
        comparison=compare(new_values[new], old_values[old]),
        worse=tuple(one for one in changes if one.is_worse),
        better=tuple(one for one in changes if not one.is_worse),
    )


def _changes(
    arm: str,
    before: tuple[Sequence[RunCell], Cells],
    after: tuple[Sequence[RunCell], Cells],
) -> list[CellChange]:
    """Cells of both runs that are known in both, where a failed one is known to have no answer."""
    theirs = {row.key: row for row in before[0]}
    found: list[CellChange] = []
    for row in after[0]:
        old = theirs.get(row.key)
        if old is None:
            continue
        was, now = before[1][row.key], after[1][row.key]
        ours, other = value_of(now), value_of(was)
        known = all(
            value is not None or cell is State.FAILED for value, cell in ((ours, now), (other, was))
        )
        if known and ours != other:
            found.append(
                CellChange(arm, row.case_id, row.repeat, old.number, row.number, other, ours)
            )
    return found


def _corrected(arms: Sequence[ArmChange]) -> list[ArmChange]:
    """With the p-values of Holm over all arms of the two runs."""
    known = [one.comparison.p_value for one in arms if one.comparison.p_value is not None]
    adjusted = iter(holm(known))
    return [
        one
        if one.comparison.p_value is None
        else replace(one, comparison=replace(one.comparison, p_adjusted=next(adjusted)))
        for one in arms
    ]


def _alone(arms: Sequence[str], matched: Sequence[int]) -> tuple[str, ...]:
    return tuple(name for place, name in enumerate(arms) if place not in matched)


def _spec(run: Run, evaluator: str) -> Any:
    listed = run.manifest.get("evaluators") or ()
    return next((one for one in listed if one["name"] == evaluator), None)
