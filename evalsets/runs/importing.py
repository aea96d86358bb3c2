"""Outputs made elsewhere as a completed run, ready to label and to compare."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import insert
from sqlmodel import Session, col, select

from core.audit import actor_of
from core.clock import new_id, utcnow
from core.database import Database
from core.errors import Conflict
from core.names import MAX_LENGTH, slug
from evalsets.datasets import service as datasets
from evalsets.files.cases import ParsedCases
from evalsets.identity import item_key
from evalsets.models import Answer, Case, Cell, CellScore, Dataset, Run
from evalsets.runs.lines import ImportedOutput, ImportedRun, read_run_lines
from evalsets.runs.manifest import Arm, Manifest
from evalsets.runs.outcomes import preview_of

Row = dict[str, Any]
_BATCH = 1000


class ImportStored(NamedTuple):
    """The run's id, and whether it is a new one."""

    run_id: str
    created: bool


class PreparedRun(NamedTuple):
    """A run with all its rows, made outside of the transaction; `name` is its data set's."""

    name: str
    title: str
    source: str
    found: ImportedRun
    parsed: ParsedCases
    outputs: Sequence["_OutputRows"]
    key: str | None = None


class _OutputRows(NamedTuple):
    answer: Row | None
    cell: Row
    scores: Sequence[Row]


def import_run(database: Database, actor: str, title: str, file: Path) -> str:
    """Store outputs made elsewhere as a completed run; its id.

    `title` stays the run's; near it is the name of a data set of its own, to which the labels
    belong. Raises Invalid with the line of a bad file, of which nothing is kept, and Conflict if
    the name is taken by a data set that was not made this way.
    """
    prepared = prepare(title, read_run_lines(file), file.name)
    with database.session_scope(actor) as session:
        return store(session, prepared).run_id


def prepare(
    title: str, found: ImportedRun, source: str, *, name: str | None = None, key: str | None = None
) -> PreparedRun:
    """All rows of a run, with a data set called `name`; the same `key` is the same run."""
    name = name or slug(title)
    parsed = found.parsed()
    _ = parsed.hash  # computed here, outside of the transaction
    outputs = [_output_rows(name, found, one) for one in found.outputs]
    return PreparedRun(name, title, source, found, parsed, outputs, key)


def store(session: Session, prepared: PreparedRun) -> ImportStored:
    """Insert the run, or find the one of its key; raises Conflict."""
    if prepared.key is not None:
        query = select(Run.id).where(Run.idempotency_key == prepared.key)
        earlier = session.exec(query).first()
        if earlier is not None:
            return ImportStored(earlier, created=False)
    known = session.exec(select(Dataset).where(Dataset.name == prepared.name)).first()
    if known is not None and not known.imported:
        raise Conflict(f"{prepared.name!r} is the name of a data set. Give the run another name.")
    version = datasets.push(
        session, prepared.name, prepared.parsed, source=prepared.source, imported=True
    ).version
    run = _run_row(prepared, version, actor_of(session))
    session.add(run)
    session.flush()
    run.cost = _cost(prepared.found)  # at an insert None would mean the column's default
    _insert(session, run, version.version_id, prepared)
    return ImportStored(run.id, created=True)


def _cost(found: ImportedRun) -> Decimal | None:
    """Of all outputs together; unpriced if that of any is."""
    total = Decimal(0)
    for one in found.outputs:
        if one.output is None:
            continue
        if one.figures.cost is None:
            return None
        total += one.figures.cost
    return total if any(one.output is not None for one in found.outputs) else None


def _run_row(prepared: PreparedRun, version: datasets.DatasetPublic, actor: str) -> Run:
    now, found = utcnow(), prepared.found
    failed = sum(one.output is None for one in found.outputs)
    manifest = Manifest(
        arms=tuple(Arm(name=name) for name in found.arms),
        repeats=found.repeats,
        dataset_hash=version.hash,
    )
    return Run(
        id=new_id(),
        title=prepared.title[:MAX_LENGTH],
        status="completed",
        dataset=version.name,
        dataset_version=version.version,
        version_id=version.version_id,
        repeats=found.repeats,
        manifest=manifest.model_dump(mode="json"),
        imported=True,
        idempotency_key=prepared.key,
        total=len(found.outputs),
        succeeded=len(found.outputs) - failed,
        failed=failed,
        input_tokens=sum(one.figures.input_tokens or 0 for one in found.outputs),
        output_tokens=sum(one.figures.output_tokens or 0 for one in found.outputs),
        actor=actor,
        started_at=now,
        ended_at=now,
    )


def _output_rows(dataset: str, found: ImportedRun, one: ImportedOutput) -> _OutputRows:
    arms, repeats = len(found.arms), found.repeats
    number = (one.case * arms + one.arm) * repeats + one.repeat - 1
    cell: Row = {
        "number": number,
        "arm": one.arm,
        "repeat": one.repeat,
        "state": "failed" if one.output is None else "succeeded",
        "answer_id": None,
        "item_key": None,
        "preview": None,
        "cached": False,
        "interrupted": False,
        "attempts": 0,
        "error_kind": None if one.error is None else "imported",
        "error": one.error,
    }
    if one.output is None:
        return _OutputRows(None, cell, ())
    figures = one.figures
    answer: Row = {
        "id": new_id(),
        "request": "",
        "output": one.output,
        "tool_calls": one.tool_calls,
        "estimated": False,
        "latency_ms": figures.latency_ms,
        "cost": figures.cost,
        "input_tokens": figures.input_tokens,
        "output_tokens": figures.output_tokens,
        "created_at": utcnow(),
    }
    inputs = found.cases[one.case].inputs
    cell |= {
        "answer_id": answer["id"],
        "item_key": item_key(dataset, inputs, one.output, one.tool_calls),
        "preview": preview_of(one.output, one.tool_calls),
    }
    return _OutputRows(answer, cell, _score_rows(number, figures.scores))


def _score_rows(number: int, scores: Mapping[str, Any]) -> list[Row]:
    return [
        {"cell": number, "evaluator": name, "value": score.value, "reason": score.reason}
        for name, score in scores.items()
    ]


def _insert(session: Session, run: Run, version_id: int, prepared: PreparedRun) -> None:
    query = select(Case.id).where(Case.version_id == version_id).order_by(col(Case.position))
    refs = list(session.exec(query))
    outputs = prepared.outputs
    _insert_all(session, Answer, [one.answer for one in outputs if one.answer is not None])
    cells = [
        {**rows.cell, "run_id": run.id, "case_ref": refs[one.case]}
        for rows, one in zip(outputs, prepared.found.outputs, strict=True)
    ]
    _insert_all(session, Cell, cells)
    scores = [{**row, "run_id": run.id} for rows in outputs for row in rows.scores]
    _insert_all(session, CellScore, scores)


def _insert_all(session: Session, table: type[Any], rows: Sequence[Row]) -> None:
    connection = session.connection()
    for start in range(0, len(rows), _BATCH):
        connection.execute(insert(table), rows[start : start + _BATCH])
