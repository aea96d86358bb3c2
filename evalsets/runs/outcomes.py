"""What came of a call, as the rows that record it: each function adds to a `Change`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from connectors.body import build_body
from connectors.prices import cost as cost_of
from connectors.wire import ChatAnswer, ChatFailure, ChatRequest
from core.clock import new_id
from evalsets.identity import item_key
from evalsets.runs.feed import KnownAnswer
from evalsets.runs.lanes import Work
from evalsets.runs.ledger import (
    ZERO,
    AnswerRow,
    CellRow,
    Change,
    EndedRow,
    ScoreRow,
    StartedRow,
    UnsentRow,
    plus,
)
from evalsets.runs.manifest import FrozenModel

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


class Attempted(NamedTuple):
    """A call of the run; `evaluator` is set when it asks a judge."""

    number: int
    evaluator: str | None


def add_start(change: Change, place: Place, work: Work, attempt: Attempted, at: datetime) -> None:
    """An attempt about to be sent; what an unpriced one costs is unknown however it ends."""
    change.started.append(
        StartedRow(
            place.run_id, attempt.number, work.cell, attempt.evaluator, work.cost or None, at
        )
    )
    tally, cost = change.tally, ZERO if work.lane.model.price else None
    if attempt.evaluator is None:
        tally.calls += 1
        tally.cost = plus(tally.cost, cost)
    else:
        tally.judge_calls += 1
        tally.judge_cost = plus(tally.judge_cost, cost)


def add_unsent(change: Change, place: Place, attempt: Attempted) -> None:
    """Take back an attempt that was recorded and then not sent."""
    change.unsent.append(UnsentRow(place.run_id, attempt.number))
    if attempt.evaluator is None:
        change.tally.calls -= 1
    else:
        change.tally.judge_calls -= 1


def add_answer(
    change: Change,
    place: Place,
    model: FrozenModel,
    work: Work,
    attempt: Attempted,
    answer: ChatAnswer,
    at: datetime,
) -> KnownAnswer:
    """The attempt's end and the answer, priced as the run froze it.

    An answer that went on from others has the sums of all, an attempt and the run its own figures.
    """
    usage, tally = answer.usage, change.tally
    given, made = usage.input_tokens, usage.output_tokens
    cost = cost_of(usage, model.price)
    tool_calls = list(answer.tool_calls) or None
    answer_id = new_id()
    own = KnownAnswer(answer_id, answer.text, tool_calls, answer.latency_ms, given, made, cost)
    whole = _summed(own, work.before)
    change.answers.append(
        AnswerRow(
            answer_id,
            work.key,
            request_text(model, work.request),
            answer.text,
            tool_calls,
            answer.finish_reason,
            whole.input_tokens or 0,
            whole.output_tokens or 0,
            usage.estimated,
            answer.ttft_ms,
            whole.latency_ms or 0,
            whole.cost,
            at,
        )
    )
    change.ended.append(
        EndedRow("answered", 200, None, given, made, cost, at, place.run_id, attempt.number)
    )
    if attempt.evaluator is None:
        tally.input_tokens += given
        tally.output_tokens += made
        tally.cost = plus(tally.cost, cost)
    else:
        tally.judge_input_tokens += given
        tally.judge_output_tokens += made
        tally.judge_cost = plus(tally.judge_cost, cost)
    return whole


def _summed(own: KnownAnswer, before: KnownAnswer | None) -> KnownAnswer:
    if before is None:
        return own
    return own._replace(
        latency_ms=(own.latency_ms or 0) + (before.latency_ms or 0),
        input_tokens=(own.input_tokens or 0) + (before.input_tokens or 0),
        output_tokens=(own.output_tokens or 0) + (before.output_tokens or 0),
        cost=plus(own.cost, before.cost),
    )


def request_text(model: FrozenModel, request: ChatRequest) -> str:
    """The exact JSON body of a call."""
    return orjson.dumps(build_body(model.target, request)).decode()


def add_filled(
    change: Change,
    place: Place,
    work: Work,
    known: KnownAnswer,
    scores: Sequence[NamedScore],
    *,
    cached: bool,
) -> None:
    """The cell's end: succeeded, by its own call or by one that was made before."""
    change.cells.append(
        CellRow(
            "succeeded",
            known.id,
            item_key(place.dataset, work.inputs, known.output, known.tool_calls),
            preview_of(known.output, known.tool_calls),
            cached,
            work.interrupted,
            work.attempts + work.tries,
            None,
            None,
            work.sources,
            place.run_id,
            work.cell,
        )
    )
    change.tally.succeeded += 1
    change.tally.cached += cached
    for score in scores:
        add_score(change, place, work.cell, score)


def preview_of(output: str, tool_calls: Sequence[Any] | None) -> str:
    """The first 200 characters; of an answer without text, of its tool calls."""
    if output or not tool_calls:
        return output[:PREVIEW]
    return orjson.dumps(tool_calls).decode()[:PREVIEW]


def add_score(
    change: Change, place: Place, cell: int, score: NamedScore, answer_id: str | None = None
) -> None:
    """A score; `answer_id` is a judge's answer."""
    change.scores.append(ScoreRow(place.run_id, cell, *score, answer_id))


def add_failed_attempt(
    change: Change, place: Place, attempt: Attempted, failure: ChatFailure, at: datetime
) -> None:
    """The end of an attempt without answer; nothing was billed as far as we were told."""
    change.ended.append(
        EndedRow(
            failure.kind,
            failure.status,
            failure.message,
            None,
            None,
            None,
            at,
            place.run_id,
            attempt.number,
        )
    )


class Failed(NamedTuple):
    """Why a cell ends without an answer, and what it took."""

    kind: str
    error: str
    attempts: int
    interrupted: bool


def add_failed_cell(change: Change, place: Place, cell: int, failed: Failed) -> None:
    """The cell's end without an answer."""
    change.cells.append(
        CellRow(
            "failed",
            None,
            None,
            None,
            False,
            failed.interrupted,
            failed.attempts,
            failed.kind,
            failed.error,
            None,
            place.run_id,
            cell,
        )
    )
    change.tally.failed += 1
