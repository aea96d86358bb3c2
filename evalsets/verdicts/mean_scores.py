"""The mean score of every arm by every evaluator of a run, counted in SQL where counts suffice."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col

from evalsets.models import Case, Cell, CellScore
from evalsets.runs.cells import RunCells, arm_names, get_run, load_cells
from evalsets.statistics.cells import values_by_case
from evalsets.statistics.scores import MeanScore, mean_score
from evalsets.verdicts.scored_arms import score_values, scores_of


class _Counts(NamedTuple):
    """Scored cells of an arm by one evaluator, those of 1, those of neither 0 nor 1, their rows."""

    scored: int = 0
    good: int = 0
    other: int = 0
    rows: int = 0

    @property
    def suffice(self) -> bool:
        return self.other == 0 and self.rows == self.scored


def mean_scores(session: Session, run_id: str) -> dict[str, list[MeanScore]]:
    """Evaluator to a mean for every arm, in the manifest's order.

    Where all scores are 0 or 1 and no case has two, the counts are all that the figure depends
    on, and a large run is reported without reading its cells.
    """
    counts = _counts(session, run_id)
    if not counts:
        return {}
    run = get_run(session, run_id)
    distinct = _all_distinct(session, run.version_id)
    cells: RunCells | None = None
    found: dict[str, list[MeanScore]] = {}
    for name in sorted(counts):
        arms = [counts[name].get(arm, _Counts()) for arm in range(len(arm_names(run)))]
        if distinct and all(arm.suffice for arm in arms):
            found[name] = [_of_counts(arm) for arm in arms]
            continue
        cells = cells or load_cells(session, run_id)
        found[name] = _of_cells(session, cells, name)
    return found


def _counts(session: Session, run_id: str) -> dict[str, dict[int, _Counts]]:
    """By evaluator and arm; an evaluator that could tell nothing yet is there, too."""
    value = col(CellScore.value)
    here = sa.and_(
        col(Cell.run_id) == col(CellScore.run_id), col(Cell.number) == col(CellScore.cell)
    )
    query = (
        sa.select(
            *(col(CellScore.evaluator), col(Cell.arm), sa.func.count(value)),
            sa.func.count().filter(value == 1),
            sa.func.count().filter(value.not_in((0, 1))),
            sa.func.count(sa.distinct(col(Cell.case_ref))).filter(value.is_not(None)),
        )
        .join(Cell, here)
        .where(col(CellScore.run_id) == run_id)
        .group_by(col(CellScore.evaluator), col(Cell.arm))
    )
    found: dict[str, dict[int, _Counts]] = {}
    for evaluator, arm, *numbers in session.connection().execute(query):
        found.setdefault(evaluator, {})[arm] = _Counts(*numbers)
    return found


def _all_distinct(session: Session, version_id: int) -> bool:
    """Whether no two cases of a data set version have the same inputs."""
    hashes = col(Case.inputs_hash)
    query = sa.select(sa.func.count(), sa.func.count(sa.distinct(hashes)))
    all_of_them, different = (
        session.connection().execute(query.where(col(Case.version_id) == version_id)).one()
    )
    return all_of_them == different


def _of_counts(arm: _Counts) -> MeanScore:
    return mean_score([[1.0]] * arm.good + [[0.0]] * (arm.scored - arm.good))


def _of_cells(session: Session, cells: RunCells, evaluator: str) -> list[MeanScore]:
    values = scores_of(session, cells.run.id, evaluator)
    return [mean_score(values_by_case(score_values(rows, values))) for rows in cells.by_arm()]
