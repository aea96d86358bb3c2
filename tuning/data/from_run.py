"""Rows from the labels, corrections and preferences of a run."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import orjson
from sqlmodel import Session, col, select

from evalsets.identity import inputs_hash
from evalsets.labels.preferences import newest_preferences
from evalsets.labels.state import CellLabel, cells_labels
from evalsets.models import Answer, Case, Cell
from evalsets.runs.cells import get_run
from tuning.data.candidates import HELD_OUT, Candidate
from tuning.data.judged import Preferred, Said, rows_of
from tuning.data.rows import Turn, Turns
from tuning.data.turns import Unreadable, read_calls, read_tools, read_turns
from tuning.methods import RowKind

_AT_ONCE = 500


class Gathered(NamedTuple):
    """Rows with their origin, and why other answers gave none: reason → how many."""

    rows: list[Candidate]
    left_out: dict[str, int]


def run_rows(session: Session, run_id: str, kind: RowKind) -> Gathered:
    """Rows of `kind` from a run; raises NotFound. Labels of other runs on its outputs count."""
    found = _read(session, run_id)
    preferred = _preferred(session, run_id, found.said) if kind == "dpo" else []
    said = list(found.said.values())
    return Gathered(rows_of(said, kind, (f"run:{run_id}",), preferred), found.left_out)


class _Read(NamedTuple):
    said: dict[int, Said]
    left_out: dict[str, int]


def _read(session: Session, run_id: str) -> _Read:
    run = get_run(session, run_id)
    apps = {place for place, arm in enumerate(run.manifest["arms"]) if arm.get("app")}
    compared = {n for key in newest_preferences(session, run_id) for n in (key.first, key.second)}
    said: dict[int, Said] = {}
    left_out: dict[str, int] = {}
    for cell, case, answer, label in _cells(session, run_id):
        judged = label.label in ("good", "bad") or label.correction
        if not judged and cell.number not in compared:
            continue
        one = _said(cell, case, answer, label, apps)
        if isinstance(one, str):
            left_out[one] = left_out.get(one, 0) + 1
        else:
            said[cell.number] = one
    return _Read(said, left_out)


class _Found(NamedTuple):
    cell: Cell
    case: Case
    answer: Answer
    label: CellLabel


def _cells(session: Session, run_id: str) -> Iterator[_Found]:
    after = -1
    while True:
        query = (
            select(Cell, Case, Answer)
            .join(Case, col(Case.id) == Cell.case_ref)
            .join(Answer, col(Answer.id) == Cell.answer_id)
            .where(Cell.run_id == run_id, Cell.state == "succeeded", col(Cell.number) > after)
            .order_by(col(Cell.number))
            .limit(_AT_ONCE)
        )
        rows = session.exec(query).all()
        labels = cells_labels(session, run_id, [cell.number for cell, _, _ in rows])
        for cell, case, answer in rows:
            yield _Found(cell, case, answer, labels[cell.number])
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1][0].number


def _said(
    cell: Cell, case: Case, answer: Answer, label: CellLabel, apps: Collection[int]
) -> Said | str:
    if cell.arm in apps:
        return "it asked an app, whose prompt a run does not keep: use --from-traces"
    try:
        asked = _request(answer.request, case.inputs)
        calls = read_calls(answer.tool_calls, "the output")
    except Unreadable as error:
        return str(error)
    split = case.split if case.split in HELD_OUT else None
    rated = {"good": True, "bad": False}.get(label.label or "")
    return Said(
        f"cell {cell.number} (case {case.case_id})", inputs_hash(case.inputs), asked.prompt,
        (Turn("assistant", answer.output, calls),), rated, label.correction, asked.tools, split,
        case.inputs,
    )  # fmt: skip


class _Asked(NamedTuple):
    prompt: Turns
    tools: str


def _request(request: str, inputs: Mapping[str, Any]) -> _Asked:
    """What was sent; outputs made elsewhere have it among their inputs, or one text alone."""
    if request:
        body = orjson.loads(request)
        return _Asked(read_turns(body.get("messages"), "messages"), read_tools(body.get("tools")))
    if "messages" in inputs:
        return _Asked(read_turns(inputs["messages"], "messages"), "")
    texts = [value for value in inputs.values() if isinstance(value, str) and value.strip()]
    if len(texts) != 1:
        raise Unreadable(
            "it was imported without its prompt: give the inputs a column messages, or one text"
        )
    return _Asked((Turn("user", texts[0]),), "")


def _preferred(session: Session, run_id: str, said: Mapping[int, Said]) -> list[Preferred]:
    """Pairs of cells by the majority of their annotators; a tie says nothing."""
    votes: dict[tuple[int, int], int] = {}
    for (first, second, _), row in newest_preferences(session, run_id).items():
        if row.preference in ("a", "b"):
            better = row.cell_a if row.preference == "a" else row.cell_b
            votes[first, second] = votes.get((first, second), 0) + (1 if better == first else -1)
    return [
        Preferred(said[first if n > 0 else second], said[second if n > 0 else first])
        for (first, second), n in sorted(votes.items())
        if n and first in said and second in said
    ]
