"""Labeling plans: which pairs of a run are labeled, stored before the first label."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import insert
from sqlmodel import Session, col, select

from core.audit import actor_of, record
from core.errors import Conflict, Invalid, NotFound
from evalsets.labels.pair_order import Pair, PlannedItem, draw, items_of, pairs_of
from evalsets.labels.state import label_state
from evalsets.models import Label, Queue, QueueItem, Run
from evalsets.runs.cells import RunCells, load_cells
from evalsets.statistics.words import MOST_EXTENSIONS, RESOLUTION

DEFAULT_PAIRS = 100
DEFAULT_REASONS = ("wrong", "incomplete", "off topic", "format", "tone", "unsafe")


@dataclass(frozen=True)
class PlanForm:
    """What a plan fixes before its first label. `pairs` None: all, at most 100."""

    pairs: int | None = None
    baseline: int = 0
    resolution: float = RESOLUTION
    seed: int | None = None
    reasons: tuple[str, ...] = DEFAULT_REASONS
    guidelines: str = ""
    show_expected: bool = False


def create_queue(session: Session, run_id: str, form: PlanForm | None = None) -> Queue:
    """Store the plan of a run and its shuffled items.

    A plan nobody has labeled by is replaced. Raises Conflict while the run is in work, when it
    has no output, and when labels were given by its plan: that one is extended instead.
    """
    form = form or PlanForm()
    run = session.get(Run, run_id, with_for_update=True)  # two first labels make one queue
    cells = load_cells(session, run_id)
    assert run is not None  # load_cells raises NotFound
    _check_form(form, cells)
    if run.status in ("queued", "running"):
        raise Conflict(
            "The run is still at work, and its first answers are no random part of it. Pause it, "
            "or label when it has ended."
        )
    _drop_unused(session, queues_of_run(session, run_id))
    pairs = pairs_of(cells.rows)
    if not pairs:
        raise Conflict("The run has no output to label. Retry its failed cells.")
    seed = secrets.randbits(31) if form.seed is None else form.seed
    count = min(form.pairs or DEFAULT_PAIRS, len(pairs))
    queue = Queue(
        run_id=run_id,
        name=run.dataset,
        seed=seed,
        baseline=form.baseline,
        resolution=form.resolution,
        pairs=count,
        reasons=list(form.reasons),
        guidelines=form.guidelines,
        show_expected=form.show_expected,
        actor=actor_of(session),
    )
    _store(session, queue, draw(pairs, count, seed))
    return queue


def _check_form(form: PlanForm, cells: RunCells) -> None:
    if not 0 <= form.baseline < len(cells.arms):
        raise Invalid(
            f"The run has {len(cells.arms)} arms, counted from 0. Choose the baseline among them.",
            param="baseline",
        )
    if form.pairs is not None and form.pairs < 1:
        raise Invalid("A plan needs at least one pair. Give a larger number.", param="pairs")
    check_resolution(form.resolution)


def check_resolution(resolution: float) -> float:
    """The smallest difference that matters, as a share of 1."""
    if not 0 < resolution < 1:
        raise Invalid(
            "The resolution is a share between 0 and 1. Give 0.1 for ten points.",
            param="resolution",
        )
    return resolution


def _drop_unused(session: Session, queues: Sequence[Queue]) -> None:
    ids = [queue.id for queue in queues]
    if session.exec(select(Label.id).where(col(Label.queue_id).in_(ids)).limit(1)).first():
        raise Conflict(
            "This run has a plan with labels already. Finish it; while it says too few labels it "
            "can be extended."
        )
    for queue in queues:
        for item in session.exec(select(QueueItem).where(QueueItem.queue_id == queue.id)):
            session.delete(item)
        session.flush()
        session.delete(queue)
    session.flush()


def _store(
    session: Session, queue: Queue, pairs: Sequence[Pair], known: Collection[str] = ()
) -> None:
    session.add(queue)
    session.flush()
    labeled = label_state(session, queue.run_id).votes.keys()
    rows = [_row(queue, place, item, labeled) for place, item in enumerate(items_of(pairs, known))]
    if rows:
        session.execute(insert(QueueItem), rows)
    detail = {"run": queue.run_id, "pairs": queue.pairs, "sequence": queue.sequence}
    record(session, "queue.create", queue.id, {**detail, "seed": queue.seed})


def _row(
    queue: Queue, place: int, item: PlannedItem, labeled: Collection[str]
) -> dict[str, object]:
    return {
        "queue_id": queue.id,
        "position": place,
        "item_key": item.item_key,
        "cell": item.cell,
        "done": item.item_key in labeled,
    }


def queues_of_run(session: Session, run_id: str) -> list[Queue]:
    """The plan of a run and its extensions, in their order."""
    query = select(Queue).where(Queue.run_id == run_id).order_by(col(Queue.sequence))
    return list(session.exec(query))


def get_queue(session: Session, queue_id: str) -> Queue:
    """A queue by id; raises NotFound."""
    queue = session.get(Queue, queue_id)
    if queue is None:
        raise NotFound("There is no such queue. Open it from its run's page.")
    return queue


def queue_for_run(session: Session, run_id: str) -> Queue:
    """The newest queue of a run; the default plan is made when there is none."""
    queues = queues_of_run(session, run_id)
    return queues[-1] if queues else create_queue(session, run_id)


def extend_queue(session: Session, run_id: str, labels: int) -> Queue:
    """Store a further stage of about `labels` labels, drawn by the first plan's seed.

    For `verdicts.service.extend_on_too_few`, which knows that the verdict allows it. Raises
    Conflict after three extensions and when no output is left.
    """
    session.get(Run, run_id, with_for_update=True)
    stages = queues_of_run(session, run_id)
    last = stages[-1]
    if last.sequence >= MOST_EXTENSIONS:
        raise Conflict("A plan is extended three times at most. Start a new run with more cases.")
    cells = load_cells(session, run_id)
    pairs = pairs_of(cells.rows)
    known = _known_items(session, run_id)
    further = _as_many(draw(pairs, len(pairs), last.seed), known, labels)
    if not further:
        raise Conflict("Every output of the run is in the plan. Add cases and run them.")
    queue = Queue(
        **last.model_dump(include=_CARRIED),
        sequence=last.sequence + 1,
        pairs=len(further),
        actor=actor_of(session),
    )
    _store(session, queue, further, known)
    return queue


_CARRIED = {
    "run_id",
    "name",
    "seed",
    "baseline",
    "resolution",
    "reasons",
    "guidelines",
    "show_expected",
}


def _known_items(session: Session, run_id: str) -> set[str]:
    stages = select(Queue.id).where(Queue.run_id == run_id)
    return set(session.exec(select(QueueItem.item_key).where(col(QueueItem.queue_id).in_(stages))))


def _as_many(ordered: Sequence[Pair], known: Collection[str], labels: int) -> list[Pair]:
    """The next pairs of the plan's order that bring at least `labels` new items."""
    fresh, found = set[str](), list[Pair]()
    for pair in ordered:
        new = {cell.item_key for cell in pair.cells if cell.item_key} - fresh
        new.difference_update(known)
        if new and len(fresh) < labels:
            found.append(pair)
            fresh |= new
    return found
