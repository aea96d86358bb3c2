"""What the engine reads from the database, in groups: open cells, earlier answers, judge work."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, or_
from sqlmodel import Session, col, select

from evalsets.models import Answer, Attempt, Case, Cell, CellScore


class OpenCell(NamedTuple):
    """A cell to be answered, with its case; `error` is what an earlier round ended with."""

    number: int
    arm: int
    repeat: int
    attempts: int
    interrupted: bool
    error: str | None
    case_id: str
    inputs: dict[str, Any]
    expected: str | None
    tags: list[str]


class KnownAnswer(NamedTuple):
    """An answer that is there already, and what its cells and scores need of it."""

    id: str
    output: str
    tool_calls: list[Any] | None
    latency_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost: Any


class JudgedCell(NamedTuple):
    """A cell whose answer a judge is to be asked about."""

    number: int
    arm: int
    repeat: int
    case_id: str
    inputs: dict[str, Any]
    expected: str | None
    tags: list[str]
    sources: list[dict[str, Any]] | None
    output: str
    tool_calls: list[Any] | None


_CASE = [col(Case.case_id), col(Case.inputs), col(Case.expected), col(Case.tags)]
_CELL = [col(Cell.number), col(Cell.arm), col(Cell.repeat)]

# Built once: building a statement costs more than running it.
_OPEN = (
    select(*_CELL, col(Cell.attempts), col(Cell.interrupted), col(Cell.error), *_CASE)  # pyright: ignore[reportCallIssue, reportArgumentType]
    .join(Case, col(Case.id) == col(Cell.case_ref))
    .where(col(Cell.run_id) == bindparam("run"), col(Cell.state) == "pending")
    .where(col(Cell.number) > bindparam("after"))
    .where(col(Cell.arm).in_(bindparam("arms", expanding=True)))
    .order_by(col(Cell.number))
    .limit(bindparam("most"))
)
_KNOWN = (
    select(
        *(col(Answer.request_key), col(Answer.id), col(Answer.output), col(Answer.tool_calls)),  # pyright: ignore[reportCallIssue, reportArgumentType]
        *(col(Answer.latency_ms), col(Answer.input_tokens), col(Answer.output_tokens)),
        col(Answer.cost),
    )
    .where(col(Answer.request_key).in_(bindparam("keys", expanding=True)))
    .order_by(col(Answer.id))
)
_USED = select(Cell.answer_id).where(
    col(Cell.run_id) == bindparam("run"), col(Cell.answer_id).is_not(None)
)
_JUDGED_BY = select(CellScore.answer_id).where(
    col(CellScore.run_id) == bindparam("run"), col(CellScore.answer_id).is_not(None)
)
_KNOWN_HERE = _KNOWN.where(or_(col(Answer.id).in_(_USED), col(Answer.id).in_(_JUDGED_BY)))
# No cell names the answer of a round that went on: it ended at the moment of its attempt.
_ROUNDS = select(Attempt.ended_at).where(
    col(Attempt.run_id) == bindparam("run"), col(Attempt.outcome) == "answered"
)
_KNOWN_ROUNDS = _KNOWN.where(
    or_(
        col(Answer.id).in_(_USED),
        col(Answer.id).in_(_JUDGED_BY),
        col(Answer.created_at).in_(_ROUNDS),
    )
)
_JUDGED = (
    select(*_CELL, *_CASE, col(Cell.sources), col(Answer.output), col(Answer.tool_calls))  # pyright: ignore[reportCallIssue, reportArgumentType]
    .join(Case, col(Case.id) == col(Cell.case_ref))
    .join(Answer, col(Answer.id) == col(Cell.answer_id))
    .where(col(Cell.run_id) == bindparam("run"))
    .where(col(Cell.number).in_(bindparam("numbers", expanding=True)))
    .order_by(col(Cell.number))
)


def open_cells(
    session: Session, run_id: str, arms: Sequence[int], after: int, most: int
) -> list[OpenCell]:
    """The next pending cells of some arms beyond number `after`, in order."""
    values = {"run": run_id, "arms": list(arms), "after": after, "most": most}
    return [OpenCell(*row) for row in session.connection().execute(_OPEN, values)]


def known_answers(
    session: Session, keys: Sequence[str], *, only_run: str | None = None, rounds: bool = False
) -> Mapping[str, KnownAnswer]:
    """The newest answer of each request key; with `only_run`, of those which that run uses.

    `rounds`: those too from which it went on with mocked tools.
    """
    if only_run is None:
        rows = session.connection().execute(_KNOWN, {"keys": list(keys)})
    else:
        query = _KNOWN_ROUNDS if rounds else _KNOWN_HERE
        rows = session.connection().execute(query, {"keys": list(keys), "run": only_run})
    return {key: KnownAnswer(*rest) for key, *rest in rows}


def judged_cells(session: Session, run_id: str, numbers: Sequence[int]) -> list[JudgedCell]:
    """Answered cells by number, with what a judge reads."""
    values = {"run": run_id, "numbers": list(numbers)}
    return [JudgedCell(*row) for row in session.connection().execute(_JUDGED, values)]


def unscored_cells(session: Session, run_id: str, evaluator: str) -> list[int]:
    """Numbers of answered cells that an evaluator has not seen yet."""
    seen = select(CellScore.cell).where(
        CellScore.run_id == run_id, CellScore.evaluator == evaluator
    )
    query = (
        select(Cell.number)
        .where(Cell.run_id == run_id, Cell.state == "succeeded", col(Cell.number).not_in(seen))
        .order_by(col(Cell.number))
    )
    return list(session.exec(query))
