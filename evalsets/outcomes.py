"""What came of a call, as the rows that record it. Pure: values in, a `Change` out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from connectors.body import build_body
from connectors.prices import cost as cost_of
from connectors.wire import ChatAnswer, ChatFailure, ChatRequest
from core.clock import new_id
from evalsets.feed import KnownAnswer
from evalsets.identity import item_key
from evalsets.lanes import Work
from evalsets.ledger import Change, Row, Tally, cell_row, ended_row
from evalsets.manifest import FrozenModel

PREVIEW = 200


class NamedScore(NamedTuple):
    """What an evaluator made of an answer; None is unscored."""

    evaluator: str
    value: float | None
    reason: str = ""


class Place(NamedTuple):
    """The run that rows are written for."""

    run_id: str
    dataset: str


def started(place: Place, work: Work, attempt: int, evaluator: str | None, at: datetime) -> Change:
    """An attempt about to be sent; its estimated cost stays if we die before the answer."""
    row: Row = {
        "run_id": place.run_id,
        "number": attempt,
        "cell": work.cell,
        "evaluator": evaluator,
        "cost": work.cost or None,
        "started_at": at,
    }
    tally = Tally(calls=1) if evaluator is None else Tally(judge_calls=1)
    return Change(started=[row], tally=tally)


class Billed(NamedTuple):
    """An answer as it is stored, and what it cost."""

    known: KnownAnswer
    row: Row
    cost: Decimal | None


def billed(model: FrozenModel, work: Work, answer: ChatAnswer, at: datetime) -> Billed:
    """The answer's row, priced as the run froze it."""
    usage = answer.usage
    cost = cost_of(usage, model.price)
    tool_calls = list(answer.tool_calls) or None
    row: Row = {
        "id": new_id(),
        "request_key": work.key,
        "request": request_text(model, work.request),
        "output": answer.text,
        "tool_calls": tool_calls,
        "finish_reason": answer.finish_reason,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "estimated": usage.estimated,
        "ttft_ms": answer.ttft_ms,
        "latency_ms": answer.latency_ms,
        "cost": cost,
        "created_at": at,
    }
    known = KnownAnswer(
        row["id"],
        answer.text,
        tool_calls,
        answer.latency_ms,
        usage.input_tokens,
        usage.output_tokens,
        cost,
    )
    return Billed(known, row, cost)


def request_text(model: FrozenModel, request: ChatRequest) -> str:
    """The exact JSON body of a call."""
    return orjson.dumps(build_body(model.target, request)).decode()


def answered(run_id: str, attempt: int, bill: Billed, *, judge: bool) -> Change:
    """The attempt's end and the answer."""
    taken = bill.known
    ended = ended_row(
        run_id,
        attempt,
        "answered",
        status=200,
        input_tokens=taken.input_tokens,
        output_tokens=taken.output_tokens,
        cost=bill.cost,
        ended_at=bill.row["created_at"],
    )
    given, made = taken.input_tokens or 0, taken.output_tokens or 0
    if judge:
        tally = Tally(judge_input_tokens=given, judge_output_tokens=made, judge_cost=bill.cost)
    else:
        tally = Tally(input_tokens=given, output_tokens=made, cost=bill.cost)
    return Change(answers=[bill.row], ended=[ended], tally=tally)


def cell_answered(
    place: Place, work: Work, known: KnownAnswer, scores: Sequence[NamedScore], *, cached: bool
) -> Change:
    """The cell's end: succeeded, by its own call or by one that was made before."""
    return cell_filled(
        place,
        work.cell,
        work.inputs,
        known,
        scores,
        cached=cached,
        attempts=work.attempts + work.tries,
        interrupted=work.interrupted,
    )


def cell_filled(
    place: Place,
    cell: int,
    inputs: Mapping[str, Any],
    known: KnownAnswer,
    scores: Sequence[NamedScore],
    *,
    cached: bool,
    attempts: int,
    interrupted: bool,
) -> Change:
    """`cell_answered` for a cell that never became work."""
    row = cell_row(
        place.run_id,
        cell,
        state="succeeded",
        answer_id=known.id,
        item_key=item_key(place.dataset, inputs, known.output, known.tool_calls),
        preview=preview_of(known.output, known.tool_calls),
        cached=cached,
        interrupted=interrupted,
        attempts=attempts,
    )
    tally = Tally(succeeded=1, cached=int(cached))
    return Change(cells=[row], scores=score_rows(place.run_id, cell, scores), tally=tally)


def preview_of(output: str, tool_calls: Sequence[Any] | None) -> str:
    """The first 200 characters; of an answer without text, of its tool calls."""
    if output or not tool_calls:
        return output[:PREVIEW]
    return orjson.dumps(tool_calls).decode()[:PREVIEW]


def score_rows(
    run_id: str, cell: int, scores: Sequence[NamedScore], answer_id: str | None = None
) -> list[Row]:
    """Rows of `scores`."""
    return [
        {
            "run_id": run_id,
            "cell": cell,
            "evaluator": one.evaluator,
            "value": one.value,
            "reason": one.reason,
            "answer_id": answer_id,
        }
        for one in scores
    ]


def attempt_failed(run_id: str, attempt: int, failure: ChatFailure, at: datetime) -> Change:
    """The end of an attempt without answer; nothing was billed as far as we were told."""
    ended = ended_row(
        run_id, attempt, failure.kind, status=failure.status, detail=failure.message, ended_at=at
    )
    return Change(ended=[ended])


def cell_failed(
    run_id: str, cell: int, kind: str, error: str, *, attempts: int, interrupted: bool
) -> Change:
    """The cell's end without an answer."""
    row = cell_row(
        run_id,
        cell,
        state="failed",
        error_kind=kind,
        error=error,
        attempts=attempts,
        interrupted=interrupted,
    )
    return Change(cells=[row], tally=Tally(failed=1))
