"""How many outputs of a run nobody labeled yet, counted no further than anybody asks."""

import sqlalchemy as sa
from sqlmodel import Session, col

from evalsets.models import Cell, Run
from evalsets.runs.cells import arm_names
from evalsets.runs.matrix_filters import is_labeled


def unlabeled_outputs(session: Session, run: Run, most: int) -> int:
    """Over all arms, at most `most` of each: a page need not count a million cells."""
    return sum(_of_arm(session, run.id, arm, most) for arm in range(len(arm_names(run))))


def _of_arm(session: Session, run_id: str, arm: int, most: int) -> int:
    query = sa.select(col(Cell.number)).where(
        col(Cell.run_id) == run_id,
        col(Cell.arm) == arm,
        col(Cell.state) == "succeeded",
        ~is_labeled(),
    )
    some = query.limit(most).subquery()
    return session.connection().execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
