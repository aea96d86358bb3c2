"""Runs as files: out as JSONL, CSV, XLSX, HTML or JUnit, in as outputs made elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from sqlalchemy import insert
from sqlmodel import Session, col, select

from core.clock import new_id, utcnow
from core.database import Database
from core.errors import Conflict, Invalid
from core.names import MAX_LENGTH, slug
from evalsets.datasets import service as datasets
from evalsets.files.export import write_rows
from evalsets.identity import item_key
from evalsets.models import Answer, Case, Cell, Dataset, Run
from evalsets.runs.cells import get_run
from evalsets.runs.lines import ImportedOutput, ImportedRun, read_run_lines
from evalsets.runs.manifest import Arm, Manifest
from evalsets.runs.outcomes import preview_of
from evalsets.runs.pages import write_html, write_junit
from evalsets.runs.rows import COLUMNS, Row, run_rows
from evalsets.verdicts.scored_arms import evaluators_of

FORMATS = ("jsonl", "csv", "xlsx", "html", "junit")
_BATCH = 1000


def export_run(database: Database, run_id: str, format: str, out: BinaryIO) -> int:
    """Write every cell of a run; returns how many. Raises NotFound, Invalid."""
    with database.read_scope() as session:
        run = get_run(session, run_id)
        evaluators = evaluators_of(session, run_id)
    rows = run_rows(database, run_id)
    if format == "jsonl":
        return write_rows("jsonl", COLUMNS, rows, out)
    if format in ("csv", "xlsx"):
        columns = [name for name in COLUMNS if name != "scores"]
        columns += [f"score {name}" for name in evaluators]
        return write_rows(format, columns, _flat(rows), out)  # pyright: ignore[reportArgumentType]
    if format == "html":
        return write_html(run, evaluators, rows, out)
    if format == "junit":
        return write_junit(run, rows, out)
    raise Invalid(f"There is no format {format!r}. Use one of {', '.join(FORMATS)}.")


def _flat(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        scores = row.pop("scores")
        yield {**row, **{f"score {name}": value for name, value in scores.items()}}


def import_run(database: Database, actor: str, title: str, file: Path) -> str:
    """Store outputs made elsewhere as a completed run; its id.

    `title` stays the run's; near it is the name of a data set of its own, to which the labels
    belong. Raises Invalid with the line of a bad file, of which nothing is kept, and Conflict if
    the name is taken by a data set that was not made this way.
    """
    name = slug(title)
    found = read_run_lines(file)
    parsed = found.parsed()
    _ = parsed.hash  # computed here, outside of the transaction
    outputs = [_output_rows(name, found, one) for one in found.outputs]
    with database.session_scope(actor) as session:
        known = session.exec(select(Dataset).where(Dataset.name == name)).first()
        if known is not None and not known.imported:
            raise Conflict(f"{name!r} is the name of a data set. Give the run another name.")
        version = datasets.push(session, name, parsed, source=file.name, imported=True).version
        run = _run_row(found, version, title, actor)
        session.add(run)
        session.flush()
        run.cost = None  # unpriced; at an insert None would mean the column's default
        _insert(session, run, version.version_id, found, outputs)
    return run.id


def _run_row(found: ImportedRun, version: datasets.DatasetPublic, title: str, actor: str) -> Run:
    now = utcnow()
    failed = sum(one.output is None for one in found.outputs)
    manifest = Manifest(
        arms=tuple(Arm(name=name) for name in found.arms),
        repeats=found.repeats,
        dataset_hash=version.hash,
    )
    return Run(
        id=new_id(),
        title=title[:MAX_LENGTH],
        status="completed",
        dataset=version.name,
        dataset_version=version.version,
        version_id=version.version_id,
        repeats=found.repeats,
        manifest=manifest.model_dump(mode="json"),
        imported=True,
        total=len(found.outputs),
        succeeded=len(found.outputs) - failed,
        failed=failed,
        actor=actor,
        started_at=now,
        ended_at=now,
    )


class _OutputRows(NamedTuple):
    answer: Row | None
    cell: Row


def _output_rows(dataset: str, found: ImportedRun, one: ImportedOutput) -> _OutputRows:
    arms, repeats = len(found.arms), found.repeats
    cell: Row = {
        "number": (one.case * arms + one.arm) * repeats + one.repeat - 1,
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
        return _OutputRows(None, cell)
    answer: Row = {
        "id": new_id(),
        "request": "",
        "output": one.output,
        "tool_calls": one.tool_calls,
        "estimated": False,
        "created_at": utcnow(),
    }
    inputs = found.cases[one.case].inputs
    cell |= {
        "answer_id": answer["id"],
        "item_key": item_key(dataset, inputs, one.output, one.tool_calls),
        "preview": preview_of(one.output, one.tool_calls),
    }
    return _OutputRows(answer, cell)


def _insert(
    session: Session,
    run: Run,
    version_id: int,
    found: ImportedRun,
    outputs: Sequence[_OutputRows],
) -> None:
    query = select(Case.id).where(Case.version_id == version_id).order_by(col(Case.position))
    refs = list(session.exec(query))
    connection = session.connection()
    answers = [one.answer for one in outputs if one.answer is not None]
    for start in range(0, len(answers), _BATCH):
        connection.execute(insert(Answer), answers[start : start + _BATCH])
    cells = [
        {**rows.cell, "run_id": run.id, "case_ref": refs[one.case]}
        for rows, one in zip(outputs, found.outputs, strict=True)
    ]
    for start in range(0, len(cells), _BATCH):
        connection.execute(insert(Cell), cells[start : start + _BATCH])
