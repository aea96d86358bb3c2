"""What the engine reads from the database, in groups: open cells, earlier answers, judge work."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from evalsets.models import Answer, Case, Cell, CellScore


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
    output: str
    tool_calls: list[Any] | None


_CASE = [col(Case.case_id), col(Case.inputs), col(Case.expected)]
_CELL = [col(Cell.number), col(Cell.arm), col(Cell.repeat)]
_OPEN: list[Any] = [*_CELL, col(Cell.attempts), col(Cell.interrupted), col(Cell.error), *_CASE]
_JUDGED: list[Any] = [*_CELL, *_CASE, col(Answer.output), col(Answer.tool_calls)]
_KNOWN: list[Any] = [
    *(col(Answer.id), col(Answer.output), col(Answer.tool_calls), col(Answer.latency_ms)),
    *(col(Answer.input_tokens), col(Answer.output_tokens), col(Answer.cost)),
]


def open_cells(
    session: Session, run_id: str, arms: Iterable[int], after: int, limit: int
) -> list[OpenCell]:
    """The next pending cells of some arms beyond number `after`, in order."""
    query = (
        select(*_OPEN)
        .join(Case, col(Case.id) == col(Cell.case_ref))
        .where(Cell.run_id == run_id, Cell.state == "pending", col(Cell.number) > after)
        .where(col(Cell.arm).in_(list(arms)))
        .order_by(col(Cell.number))
        .limit(limit)
    )
    return [OpenCell(*row) for row in session.connection().execute(query)]


def known_answers(
    session: Session, keys: Sequence[str], *, only_run: str | None = None
) -> Mapping[str, KnownAnswer]:
    """The newest answer of each request key; with `only_run`, of those which that run uses."""
    where: list[ColumnElement[bool]] = [col(Answer.request_key).in_(keys)]
    if only_run is not None:
        own = select(Cell.answer_id).where(
            Cell.run_id == only_run, col(Cell.answer_id).is_not(None)
        )
        judged = select(CellScore.answer_id).where(
            CellScore.run_id == only_run, col(CellScore.answer_id).is_not(None)
        )
        where.append(col(Answer.id).in_(own) | col(Answer.id).in_(judged))
    query = select(col(Answer.request_key), *_KNOWN).where(*where).order_by(col(Answer.id))
    rows = session.connection().execute(query)
    return {key: KnownAnswer(*rest) for key, *rest in rows}


def judged_cells(session: Session, run_id: str, numbers: Sequence[int]) -> list[JudgedCell]:
    """Answered cells by number, with what a judge reads."""
    query = (
        select(*_JUDGED)
        .join(Case, col(Case.id) == col(Cell.case_ref))
        .join(Answer, col(Answer.id) == col(Cell.answer_id))
        .where(Cell.run_id == run_id, col(Cell.number).in_(numbers))
        .order_by(col(Cell.number))
    )
    return [JudgedCell(*row) for row in session.connection().execute(query)]


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
