"""What the owner of a run writes: changes whose rows stand or fall together, and the totals."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, update
from sqlmodel import col, select

from core.errors import LostLease
from core.jobs import Claim
from core.models import Job
from evalsets.models import Answer, Attempt, Cell, CellScore, Run
from evalsets.runs.bulk import Delete, Insert, Update

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
        """Take over what a change adds."""
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.cached += other.cached
        self.calls += other.calls
        self.interrupted += other.interrupted
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost = plus(self.cost, other.cost)
        self.judge_calls += other.judge_calls
        self.judge_cached += other.judge_cached
        self.judge_input_tokens += other.judge_input_tokens
        self.judge_output_tokens += other.judge_output_tokens
        self.judge_cost = plus(self.judge_cost, other.judge_cost)


_COUNTERS = tuple(one.name for one in fields(Tally))


def plus(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    """The sum; unpriced when a part is."""
    return None if first is None or second is None else first + second


def tally_of(run: Run) -> Tally:
    """The counters as they stand in the row."""
    return Tally(**{name: getattr(run, name) for name in _COUNTERS})


class AnswerRow(NamedTuple):
    """A row of `answers`."""

    id: str
    request_key: str
    request: str
    output: str
    tool_calls: list[Any] | None
    finish_reason: str | None
    input_tokens: int
    output_tokens: int
    estimated: bool
    ttft_ms: float | None
    latency_ms: float
    cost: Decimal | None
    created_at: datetime


class CellRow(NamedTuple):
    """The end of a cell; the last two name it."""

    state: str
    answer_id: str | None
    item_key: str | None
    preview: str | None
    cached: bool
    interrupted: bool
    attempts: int
    error_kind: str | None
    error: str | None
    sources: list[dict[str, Any]] | None
    run_id: str
    number: int


class StartedRow(NamedTuple):
    """A row of `attempts` before its call; `cost` is an estimate, which stays if we die."""

    run_id: str
    number: int
    cell: int
    evaluator: str | None
    cost: Decimal | None
    started_at: datetime


class UnsentRow(NamedTuple):
    """An attempt that is taken back: it was recorded, then not sent."""

    run_id: str
    number: int


class EndedRow(NamedTuple):
    """What came of an attempt; the last two name it."""

    outcome: str
    status: int | None
    detail: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: Decimal | None
    ended_at: datetime
    run_id: str
    number: int


class ScoreRow(NamedTuple):
    """A row of `scores`."""

    run_id: str
    cell: int
    evaluator: str
    value: float | None
    reason: str
    answer_id: str | None


@dataclass(slots=True)
class Change:
    """Rows of one event, by table; `lease_until` moves the owner's lease on."""

    answers: list[AnswerRow] = field(default_factory=list[AnswerRow])
    cells: list[CellRow] = field(default_factory=list[CellRow])
    started: list[StartedRow] = field(default_factory=list[StartedRow])
    ended: list[EndedRow] = field(default_factory=list[EndedRow])
    unsent: list[UnsentRow] = field(default_factory=list[UnsentRow])
    scores: list[ScoreRow] = field(default_factory=list[ScoreRow])
    tally: Tally = field(default_factory=Tally)
    lease_until: datetime | None = None

    def merge(self, other: "Change") -> None:
        """Take the other's rows along."""
        self.answers += other.answers
        self.cells += other.cells
        self.started += other.started
        self.ended += other.ended
        self.unsent += other.unsent
        self.scores += other.scores
        self.tally.add(other.tally)
        self.lease_until = other.lease_until or self.lease_until


_FENCE = (
    select(Job.fence)
    .where(col(Job.id) == bindparam("job"), col(Job.state) == "running")
    .with_for_update()
)
_TOTALS = (
    update(Run)
    .where(col(Run.id) == bindparam("run"))
    .values({name: bindparam(f"new_{name}") for name in (*_COUNTERS, "seconds")})
)
_ANSWERS = Insert(Answer, AnswerRow._fields)
_ATTEMPTS = Insert(Attempt, StartedRow._fields)
_SCORES = Insert(CellScore, ScoreRow._fields)
_CELLS = Update(Cell, CellRow._fields, keys=2)
_ENDS = Update(Attempt, EndedRow._fields, keys=2)
_UNSENT = Delete(Attempt, UnsentRow._fields)


def apply(
    connection: Connection, claim: Claim, change: Change, totals: Tally, seconds: float
) -> None:
    """Write a change; raises LostLease, before anything is written, if the job has a new owner."""
    if connection.execute(_FENCE, {"job": claim.job_id}).scalar() != claim.fence:
        raise LostLease("Another worker has taken this run over. Nothing needs to be done.")
    _ANSWERS.write(connection, change.answers)
    _CELLS.write(connection, change.cells)
    _ATTEMPTS.write(connection, change.started)
    _ENDS.write(connection, change.ended)
    _UNSENT.write(connection, change.unsent)
    _SCORES.write(connection, change.scores)
    values = {f"new_{name}": getattr(totals, name) for name in _COUNTERS}
    connection.execute(_TOTALS, {"run": claim.ref, "new_seconds": round(seconds, 3), **values})
    if change.lease_until is not None:
        lease = update(Job).where(col(Job.id) == claim.job_id)
        connection.execute(lease, {"lease_until": change.lease_until})
