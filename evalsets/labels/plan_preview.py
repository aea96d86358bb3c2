"""What a labeling plan would cost and show, told before it is made."""

from typing import NamedTuple

from sqlmodel import Session

from evalsets.labels.pair_order import draw, items_of, pairs_of
from evalsets.labels.queue_plan import DEFAULT_PAIRS, queues_of_run
from evalsets.labels.queues import is_open
from evalsets.labels.state import label_state
from evalsets.runs.cells import load_cells
from evalsets.statistics.words import plan_shows
from evalsets.verdicts.looks import plan_state


class PlanPreview(NamedTuple):
    """`labels`: outputs still without a label, exact where all pairs are taken, else about.

    `shows`: the difference of shares that the plan shows 4 times in 5; None without a pair.
    """

    pairs: int
    available: int
    labels: int
    shows: float | None


def preview_plan(session: Session, run_id: str, pairs: int | None = None) -> PlanPreview:
    """A plan of `pairs` pairs (default: all, at most 100) of a run."""
    available = pairs_of(load_cells(session, run_id).rows)
    count = min(pairs or DEFAULT_PAIRS, len(available))
    labeled = label_state(session, run_id).votes.keys()
    items = items_of(draw(available, count, seed=0), labeled)
    return PlanPreview(count, len(available), len(items), plan_shows(count) if count else None)


class ToLabel(NamedTuple):
    """How many outputs the newest plan of a run waits for; `queue_id` None: a plan to be made."""

    queue_id: str | None
    labels: int


def to_label(session: Session, run_id: str) -> ToLabel:
    """For "Label 24 outputs": of the run's queue, or of the default plan that would be made."""
    state = plan_state(session, run_id, "")
    if state is None:
        return ToLabel(None, preview_plan(session, run_id).labels)
    return ToLabel(state.queue_id, state.lacking)


def shares_hidden(session: Session, run_id: str) -> bool:
    """Whether annotators must not see shares yet, because a queue of the run is open."""
    return is_open(session, [queue.id for queue in queues_of_run(session, run_id)])
