"""What a reading of the verdict may claim: the state of the plan, and who has looked before.

Peeking is STATISTICS 4: a plan read when it is complete for the first time has α = 0.05, after an
extension 0.01, any other moment 0.001.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from core.audit import actor_of
from core.clock import utcnow
from evalsets.labels.queue_plan import queues_of_run
from evalsets.models import Queue, QueueItem, Run, VerdictLook
from evalsets.statistics.words import Plan, Word

LABEL = "label"


@dataclass(frozen=True)
class PlanState:
    """The newest stage of a run's plan, beside the labels at hand.

    `labels_since`: it was complete and read, and the labels are others now. `lacking`: outputs
    without a label in all stages. `decided`: candidates that an earlier stage had a word for.
    """

    queue_id: str
    baseline: int
    resolution: float
    pairs: int
    sequence: int
    lacking: int
    labels_since: bool
    decided: frozenset[str]

    @property
    def complete(self) -> bool:
        """Every output of the plan has a label that counts."""
        return self.lacking == 0

    def plan(self, *, spent: bool = False) -> Plan:
        """For `statistics.words`; `spent` when this comparison had its one look already."""
        return Plan(self.complete, self.sequence, self.labels_since or spent, self.lacking)


def plan_state(session: Session, run_id: str, labels_hash: str) -> PlanState | None:
    """The plan of a run; None without a queue. `labels_hash`: `LabelState.hash`."""
    stages = queues_of_run(session, run_id)
    if not stages:
        return None
    newest = stages[-1]
    waiting = select(func.count()).where(
        col(QueueItem.queue_id).in_([stage.id for stage in stages]), col(QueueItem.done).is_(False)
    )
    return PlanState(
        queue_id=newest.id,
        baseline=newest.baseline,
        resolution=newest.resolution,
        pairs=sum(stage.pairs for stage in stages),
        sequence=newest.sequence,
        lacking=session.execute(waiting).scalar_one(),
        labels_since=newest.labels_hash is not None and newest.labels_hash != labels_hash,
        decided=frozenset(name for stage in stages[:-1] for name in _decided(stage)),
    )


def _decided(stage: Queue) -> list[str]:
    words: dict[str, str] = json.loads(stage.word or "{}")
    return [name for name, said in words.items() if said != Word.TOO_FEW]


def count_looks(session: Session, run_id: str, by: str, labels_hash: str) -> int:
    """States of the labels at which the verdict was read, this one included."""
    query = select(VerdictLook.labels_hash).where(
        VerdictLook.run_id == run_id, VerdictLook.by == by
    )
    return len({*session.exec(query), labels_hash})


def record(session: Session, run_id: str, by: str, labels_hash: str) -> None:
    """Remember that the session's actor read a verdict at this state of the labels."""
    session.get(Run, run_id, with_for_update=True)  # two readers at once record one look
    if session.get(VerdictLook, (run_id, by, labels_hash)) is None:
        look = VerdictLook(run_id=run_id, by=by, labels_hash=labels_hash, actor=actor_of(session))
        session.add(look)
        session.flush()


def freeze(
    session: Session, queue_id: str, labels_hash: str, words: Mapping[str, str | None]
) -> None:
    """Keep the words of the first reading of a complete stage; later readings change nothing."""
    queue = session.get(Queue, queue_id, with_for_update=True)
    if queue is not None and queue.labels_hash is None:
        queue.labels_hash = labels_hash
        queue.word = json.dumps(words)
        queue.state, queue.completed_at = "complete", utcnow()
        session.add(queue)
        session.flush()
