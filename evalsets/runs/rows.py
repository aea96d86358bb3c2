"""Every cell of a run as a flat row, a few hundred in memory at a time."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlmodel import Session, col, select

from core.database import Database
from evalsets.labels.state import cells_labels
from evalsets.models import Answer, Case, Cell, CellScore
from evalsets.runs.cells import get_run
from evalsets.runs.manifest import Arm, Manifest
from evalsets.runs.prepare import Unrunnable
from evalsets.runs.retrieving import prepare_cases

_AT_ONCE = 500
COLUMNS = (
    *("cell", "arm", "prompt", "version", "model", "case_id", "repeat", "inputs", "expected"),
    *("messages", "output", "tool_calls", "error", "attempts", "finish_reason"),
    *("input_tokens", "output_tokens", "ttft_ms", "latency_ms", "cost_usd", "cached"),
    *("interrupted", "state", "scores", "label", "label_reasons", "correction"),
    "sources",
)
Row = dict[str, Any]


def run_rows(database: Database, run_id: str) -> Iterator[Row]:
    """`run export --format jsonl`, in the order of the cells' numbers.

    No transaction is open while the caller works; messages of unsent cells are rendered anew.
    """
    with database.read_scope() as session:
        manifest = Manifest.model_validate(get_run(session, run_id).manifest)
    after = -1
    while True:
        with database.read_scope() as session:
            rows = _page(session, run_id, manifest, after)
        if not rows:
            return
        after = rows[-1]["cell"]
        _render_missing(database, manifest.arms, rows)
        yield from rows


def _page(session: Session, run_id: str, manifest: Manifest, after: int) -> list[Row]:
    query = (
        select(Cell, Case, Answer)
        .join(Case, col(Case.id) == col(Cell.case_ref))
        .join(Answer, col(Answer.id) == col(Cell.answer_id), isouter=True)
        .where(Cell.run_id == run_id, col(Cell.number) > after)
        .order_by(col(Cell.number))
        .limit(_AT_ONCE)
    )
    found = session.exec(query).all()
    numbers = [cell.number for cell, _, _ in found]
    labels = cells_labels(session, run_id, numbers)
    scores = _scores(session, run_id, numbers)
    rows: list[Row] = []
    for cell, case, answer in found:
        row = _row(manifest.arms[cell.arm], cell, case, answer or Answer(output=""))
        row["scores"] = scores.get(cell.number, {})
        label = labels.get(cell.number)
        row["label"] = label.label if label else None
        row["label_reasons"] = list(label.reasons) if label else []
        row["correction"] = label.correction if label else None
        rows.append(row)
    return rows


def _row(arm: Arm, cell: Cell, case: Case, answer: Answer) -> Row:
    request = orjson.loads(answer.request) if answer.request else {}
    return {
        "cell": cell.number,
        "arm": arm.name,
        "prompt": arm.prompt.name if arm.prompt else None,
        "version": arm.prompt.version if arm.prompt else None,
        "model": arm.model.name if arm.model else None,
        "case_id": case.case_id,
        "repeat": cell.repeat,
        "inputs": case.inputs,
        "expected": case.expected,
        "messages": request.get("messages"),
        "output": answer.output if cell.answer_id else None,
        "tool_calls": answer.tool_calls,
        "error": cell.error,
        "attempts": cell.attempts,
        "finish_reason": answer.finish_reason,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "ttft_ms": answer.ttft_ms,
        "latency_ms": answer.latency_ms,
        "cost_usd": None if answer.cost is None else f"{answer.cost:f}",
        "cached": cell.cached,
        "interrupted": cell.interrupted,
        "state": cell.state,
        "sources": cell.sources,
    }


def _scores(session: Session, run_id: str, numbers: Sequence[int]) -> dict[int, Row]:
    query = select(CellScore.cell, CellScore.evaluator, CellScore.value)
    query = query.where(CellScore.run_id == run_id, col(CellScore.cell).in_(numbers))
    found: dict[int, Row] = {}
    for cell, evaluator, value in session.connection().execute(query):
        found.setdefault(cell, {})[evaluator] = value
    return found


def _render_missing(database: Database, arms: Sequence[Arm], rows: Sequence[Row]) -> None:
    for arm in arms:
        if arm.prompt is None:
            continue
        unsent = [row for row in rows if row["arm"] == arm.name and row["messages"] is None]
        made = prepare_cases(database, arm, [row["inputs"] for row in unsent])
        for row, (request, _) in zip(unsent, made, strict=True):
            if not isinstance(request, Unrunnable):
                row["messages"] = list(request.messages)
