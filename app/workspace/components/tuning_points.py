"""The losses of a job as this tab has read them: each point comes from the database once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st
from sqlmodel import Session

from tuning.jobs import JobPublic, points

_KEY = "tuning_points"


@dataclass
class Losses:
    """Values by step, of the rows that are learned and of those held out."""

    job_id: str
    loss: dict[int, float] = field(default_factory=dict[int, float])
    evaluation: dict[int, float] = field(default_factory=dict[int, float])

    @property
    def last(self) -> int:
        """The newest step that is known."""
        return max([*self.loss, *self.evaluation], default=-1)


def losses(session: Session, job: JobPublic) -> Losses:
    """All there are now; only what is new is read, but for a job that was resumed further back."""
    known = st.session_state.get(_KEY)
    if not isinstance(known, Losses) or known.job_id != job.id or known.last > job.step:
        known = st.session_state[_KEY] = Losses(job.id)
    known.loss.update(_new(session, job.id, "loss", known.loss))
    known.evaluation.update(_new(session, job.id, "eval_loss", known.evaluation))
    return known


def _new(session: Session, job_id: str, kind: str, known: Mapping[int, float]) -> dict[int, float]:
    found = points(session, job_id, kind, max(known, default=-1))
    return {one.step: one.value for one in found if one.value is not None}
