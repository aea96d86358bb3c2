"""What one evaluator's scores say about the cells of a run."""

from collections.abc import Iterable, Mapping

from sqlmodel import Session, select

from evalsets.models import CellScore
from evalsets.runs.cells import RunCell
from evalsets.statistics.cells import CellKey, CellValue, State


def scores_of(session: Session, run_id: str, evaluator: str) -> dict[int, float | None]:
    """Cell number to score; None where the evaluator could not tell."""
    query = select(CellScore.cell, CellScore.value).where(CellScore.run_id == run_id)
    rows = session.connection().execute(query.where(CellScore.evaluator == evaluator))
    return {cell: value for cell, value in rows}  # noqa: C416 (a row is typed as more than a pair)


def evaluators_of(session: Session, run_id: str) -> list[str]:
    """Names of the evaluators that scored a run."""
    query = select(CellScore.evaluator).where(CellScore.run_id == run_id).distinct()
    return sorted(session.exec(query))


def score_values(
    rows: Iterable[RunCell], scores: Mapping[int, float | None]
) -> dict[CellKey, CellValue]:
    """Cells of one arm as the statistics take them; unscored is no score, never 0."""
    found: dict[CellKey, CellValue] = {}
    for row in rows:
        score = scores.get(row.number)
        unscored = State.FAILED if row.state == "failed" else State.UNLABELED
        found[row.key] = unscored if score is None else score
    return found
