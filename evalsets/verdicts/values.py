"""The cells of a run's arms as the statistics take them, by labels or by an evaluator."""

from sqlmodel import Session

from core.errors import Invalid
from evalsets.labels.state import label_state
from evalsets.runs.cells import RunCells
from evalsets.statistics.cells import Cells
from evalsets.verdicts.labeled_arms import cell_values
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.scored_arms import evaluators_of, score_values, scores_of


def values_by(session: Session, cells: RunCells, by: str) -> list[Cells]:
    """Values of every arm in the manifest's order; `by` is label or an evaluator of the run.

    Raises Invalid for an evaluator that the run does not have.
    """
    if by == LABEL:
        states = label_state(session, cells.run.id).states()
        return [cell_values(rows, states) for rows in cells.by_arm()]
    scores = scores_of(session, cells.run.id, by)
    if not scores:
        known = ", ".join([LABEL, *evaluators_of(session, cells.run.id)])
        raise Invalid(f"The run has no score {by!r}. Choose one of: {known}.", param="by")
    return [score_values(rows, scores) for rows in cells.by_arm()]
