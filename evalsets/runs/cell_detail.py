"""One cell in full: its case, exact request, answer, attempts, scores and label."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
from sqlmodel import Session, col, select

from core.database import Database
from core.errors import NotFound
from evalsets.labels.state import CellLabel, cells_labels
from evalsets.models import Answer, Attempt, Case, Cell, CellScore
from evalsets.runs.cells import get_run
from evalsets.runs.manifest import Arm, Manifest
from evalsets.runs.outcomes import request_text
from evalsets.runs.prepare import Unrunnable
from evalsets.runs.retrieving import prepare_cases


class AttemptDetail(NamedTuple):
    """One request as the ledger has it; no outcome yet means in flight."""

    number: int
    evaluator: str | None
    outcome: str | None
    status: int | None
    detail: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: Decimal | None
    started_at: datetime
    ended_at: datetime | None


class ScoreDetail(NamedTuple):
    """A score with its reason; `judge_output` is the judge's own answer."""

    evaluator: str
    value: float | None
    reason: str
    judge_output: str | None


@dataclass(frozen=True)
class CellDetail:
    """`request` is the JSON body as sent; of an unsent cell, as it would be (None if it cannot).

    `sources` are the passages of the base `kb` that it was given, as `rag.answer.Source.row`.
    """

    run_id: str
    number: int
    arm: str
    case_id: str
    position: int
    repeat: int
    inputs: dict[str, Any]
    expected: str | None
    tags: list[str]
    state: str
    request: dict[str, Any] | None
    output: str | None
    tool_calls: list[Any] | None
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    estimated: bool
    ttft_ms: float | None
    latency_ms: float | None
    cost: Decimal | None
    cached: bool
    interrupted: bool
    error_kind: str | None
    error: str | None
    label: CellLabel | None
    attempts: list[AttemptDetail]
    scores: list[ScoreDetail]
    kb: str | None = None
    sources: list[dict[str, Any]] | None = None


def cell_detail(database: Database, run_id: str, number: int) -> CellDetail:
    """Everything about a cell; raises NotFound. An unsent one is rendered after the reading."""
    with database.read_scope() as session:
        read = _read(session, run_id, number)
    if read.detail.request is not None:
        return read.detail
    request = unsent_request(database, read.arm, read.detail.inputs)
    return replace(read.detail, request=request)


class _Read(NamedTuple):
    detail: CellDetail
    arm: Arm


def _read(session: Session, run_id: str, number: int) -> _Read:
    run = get_run(session, run_id)
    query = (
        select(Cell, Case, Answer)
        .join(Case, col(Case.id) == col(Cell.case_ref))
        .join(Answer, col(Answer.id) == col(Cell.answer_id), isouter=True)
        .where(Cell.run_id == run_id, Cell.number == number)
    )
    row = session.exec(query).first()
    if row is None:
        raise NotFound(f"The run has no cell {number}. `promptstone run export` lists its cells.")
    cell, case, found = row
    answer = found or Answer(output="")
    arm = Manifest.model_validate(run.manifest).arms[cell.arm]
    detail = CellDetail(
        run_id=run_id,
        number=number,
        arm=arm.name,
        case_id=case.case_id,
        position=case.position,
        repeat=cell.repeat,
        inputs=case.inputs,
        expected=case.expected,
        tags=case.tags,
        state=cell.state,
        request=orjson.loads(answer.request) if answer.request else None,
        output=answer.output if found else None,
        tool_calls=answer.tool_calls,
        finish_reason=answer.finish_reason,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        estimated=answer.estimated,
        ttft_ms=answer.ttft_ms,
        latency_ms=answer.latency_ms,
        cost=answer.cost,
        cached=cell.cached,
        interrupted=cell.interrupted,
        error_kind=cell.error_kind,
        error=cell.error,
        label=cells_labels(session, run_id, [number]).get(number),
        attempts=_attempts(session, run_id, number),
        scores=_scores(session, run_id, number),
        kb=None if arm.retrieval is None else arm.retrieval.kb,
        sources=cell.sources,
    )
    return _Read(detail, arm)


def unsent_request(database: Database, arm: Arm, inputs: dict[str, Any]) -> dict[str, Any] | None:
    """What would be sent for a case; None for an imported arm or a case that cannot be rendered."""
    if arm.prompt is None or arm.model is None:
        return None
    ((request, _),) = prepare_cases(database, arm, [inputs])
    if isinstance(request, Unrunnable):
        return None
    return orjson.loads(request_text(arm.model, request))


def _attempts(session: Session, run_id: str, cell: int) -> list[AttemptDetail]:
    query = select(Attempt).where(Attempt.run_id == run_id, Attempt.cell == cell)
    return [
        AttemptDetail(
            one.number,
            one.evaluator,
            one.outcome,
            one.status,
            one.detail,
            one.input_tokens,
            one.output_tokens,
            one.cost,
            one.started_at,
            one.ended_at,
        )
        for one in session.exec(query.order_by(col(Attempt.number)))
    ]


def _scores(session: Session, run_id: str, cell: int) -> list[ScoreDetail]:
    query = (
        select(CellScore, Answer.output)
        .join(Answer, col(Answer.id) == col(CellScore.answer_id), isouter=True)
        .where(CellScore.run_id == run_id, CellScore.cell == cell)
        .order_by(col(CellScore.evaluator))
    )
    return [
        ScoreDetail(one.evaluator, one.value, one.reason, output)
        for one, output in session.exec(query)
    ]
