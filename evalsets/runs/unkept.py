"""What the database refuses of one cell becomes that cell's failure, so that the run goes on."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.exc import DataError

from core.errors import Invalid
from evalsets.runs.ledger import ZERO, CellRow, Change, Tally

REFUSALS = (DataError, Invalid, ValueError, TypeError, OverflowError)
"""Errors of values; a database that is gone, full or locked, or a lost lease, is none of them."""
KIND = "unkept"
_CAUSE = 200


def sentence_of(error: BaseException) -> str:
    """Why an answer is not kept, for its cell."""
    origin = getattr(error, "orig", None) or error
    cause = (str(origin).splitlines() or [type(origin).__name__])[0][:_CAUSE].rstrip(".")
    plain = cause.encode("utf-8", "backslashreplace").decode()
    return f"The answer could not be kept: {plain}. `promptstone run retry` sends it again."


def unkept(change: Change, sentence: str, *, usage: bool = True) -> Change:
    """The same events without their texts: cells fail, judges' scores are unscored.

    Attempts stay, for they were paid; without `usage` their tokens and cost are unknown.
    """
    cells = {row.number for row in change.cells}
    ended = [row._replace(detail=None) for row in change.ended]
    if not usage:
        ended = [row._replace(input_tokens=None, output_tokens=None, cost=None) for row in ended]
    return Change(
        cells=[_failed(row, sentence) for row in change.cells],
        started=change.started,
        ended=ended,
        scores=[
            row._replace(value=None, reason=sentence, answer_id=None)
            for row in change.scores
            if row.cell not in cells
        ],
        tally=_tally(change, usage=usage),
        lease_until=change.lease_until,
    )


def _failed(row: CellRow, sentence: str) -> CellRow:
    return CellRow(
        state="failed",
        answer_id=None,
        item_key=None,
        preview=None,
        cached=False,
        interrupted=row.interrupted,
        attempts=row.attempts,
        error_kind=KIND,
        error=sentence,
        sources=None,
        run_id=row.run_id,
        number=row.number,
    )


def _tally(change: Change, *, usage: bool) -> Tally:
    known = change.tally
    whole = replace(known, succeeded=0, failed=len(change.cells), cached=0, judge_cached=0)
    if usage:
        return whole
    mine = known.input_tokens or known.output_tokens or known.cost
    judges = known.judge_input_tokens or known.judge_output_tokens or known.judge_cost
    return replace(
        whole,
        input_tokens=0,
        output_tokens=0,
        cost=None if mine or known.cost is None else ZERO,
        judge_input_tokens=0,
        judge_output_tokens=0,
        judge_cost=None if judges or known.judge_cost is None else ZERO,
    )


def keep_what_can_be(change: Change, error: Exception, write: Callable[[Change], None]) -> None:
    """Write a refused change as failures, with its tokens if they can be kept; else the error."""
    sentence = sentence_of(error)
    for usage in (True, False):
        try:
            return write(unkept(change, sentence, usage=usage))
        except REFUSALS:
            continue
    raise error
