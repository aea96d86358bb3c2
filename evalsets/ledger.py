"""What the owner of a run writes: changes whose rows stand or fall together, and the totals."""

from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, insert, update
from sqlmodel import col, select

from core.errors import LostLease
from core.jobs import Claim
from core.models import Job
from evalsets.models import Answer, Attempt, Cell, CellScore, Run

Row = dict[str, Any]
ZERO = Decimal(0)


@dataclass(slots=True)
class Tally:
    """Counters of a run, or what a change adds to them; a cost of None has an unpriced part."""

    succeeded: int = 0
    failed: int = 0
    cached: int = 0
    calls: int = 0
    interrupted: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = ZERO
    judge_calls: int = 0
    judge_cached: int = 0
    judge_input_tokens: int = 0
    judge_output_tokens: int = 0
    judge_cost: Decimal | None = ZERO

    def add(self, other: "Tally") -> None:
        for name in _COUNTERS:
            more = getattr(other, name)
            if more:
                setattr(self, name, getattr(self, name) + more)
        self.cost = plus(self.cost, other.cost)
        self.judge_cost = plus(self.judge_cost, other.judge_cost)

    def row(self) -> Row:
        """The columns of `runs` that hold it."""
        return {name: getattr(self, name) for name in _ALL}


_ALL = tuple(one.name for one in fields(Tally))
_COUNTERS = tuple(name for name in _ALL if not name.endswith("cost"))


def plus(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    """The sum; unpriced when a part is."""
    return None if first is None or second is None else first + second


def tally_of(run: Run) -> Tally:
    """The counters as they stand in the row."""
    return Tally(**{name: getattr(run, name) for name in _ALL})


@dataclass(slots=True)
class Change:
    """Rows of one event, by table; `run` are further columns of the run, `end` the job's new state.

    A row of `cells` and `ended` holds every column that its statement below sets.
    """

    answers: list[Row] = field(default_factory=list[Row])
    cells: list[Row] = field(default_factory=list[Row])
    started: list[Row] = field(default_factory=list[Row])
    ended: list[Row] = field(default_factory=list[Row])
    scores: list[Row] = field(default_factory=list[Row])
    tally: Tally = field(default_factory=Tally)
    run: Row = field(default_factory=dict[str, Any])
    job: Row = field(default_factory=dict[str, Any])

    def merge(self, other: "Change") -> None:
        """Take the other's rows along."""
        self.answers += other.answers
        self.cells += other.cells
        self.started += other.started
        self.ended += other.ended
        self.scores += other.scores
        self.tally.add(other.tally)
        self.run.update(other.run)
        self.job.update(other.job)


def cell_row(run_id: str, number: int, **values: Any) -> Row:
    """A whole row for `Change.cells`; what is not given is null or false."""
    return {"b_run": run_id, "b_number": number, **_CELL_DEFAULTS, **values}


_CELL_DEFAULTS: Row = {
    "state": "pending",
    "answer_id": None,
    "item_key": None,
    "preview": None,
    "cached": False,
    "interrupted": False,
    "attempts": 0,
    "error_kind": None,
    "error": None,
}


def ended_row(run_id: str, number: int, outcome: str, **values: Any) -> Row:
    """A whole row for `Change.ended`."""
    return {"b_run": run_id, "b_number": number, "outcome": outcome, **_ENDED_DEFAULTS, **values}


_ENDED_DEFAULTS: Row = {
    "status": None,
    "detail": None,
    "input_tokens": None,
    "output_tokens": None,
    "cost": None,
    "ended_at": None,
}

_FENCE = (
    select(Job.fence)
    .where(col(Job.id) == bindparam("job"), col(Job.state) == "running")
    .with_for_update()
)
_INSERT_ANSWER = insert(Answer)
_INSERT_ATTEMPT = insert(Attempt)
_INSERT_SCORE = insert(CellScore)
_UPDATE_CELL = (
    update(Cell)
    .where(col(Cell.run_id) == bindparam("b_run"), col(Cell.number) == bindparam("b_number"))
    .values({name: bindparam(name) for name in _CELL_DEFAULTS})
)
_UPDATE_ATTEMPT = (
    update(Attempt)
    .where(col(Attempt.run_id) == bindparam("b_run"), col(Attempt.number) == bindparam("b_number"))
    .values({name: bindparam(name) for name in ("outcome", *_ENDED_DEFAULTS)})
)


def apply(connection: Connection, claim: Claim, change: Change) -> None:
    """Write a change; raises LostLease, before anything is written, if the job has a new owner."""
    if connection.execute(_FENCE, {"job": claim.job_id}).scalar() != claim.fence:
        raise LostLease("Another worker has taken this run over. Nothing needs to be done.")
    if change.answers:
        connection.execute(_INSERT_ANSWER, change.answers)
    if change.cells:
        connection.execute(_UPDATE_CELL, change.cells)
    if change.started:
        connection.execute(_INSERT_ATTEMPT, change.started)
    if change.ended:
        connection.execute(_UPDATE_ATTEMPT, change.ended)
    if change.scores:
        connection.execute(_INSERT_SCORE, change.scores)
    if change.run:
        connection.execute(update(Run).where(col(Run.id) == claim.ref), change.run)
    if change.job:
        connection.execute(update(Job).where(col(Job.id) == claim.job_id), change.job)
