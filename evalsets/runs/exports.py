"""Runs as files: out as JSONL, CSV, XLSX or JUnit; `importing` takes them in."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from core.database import Database
from core.errors import Invalid
from evalsets.files.export import write_rows
from evalsets.runs.cells import get_run
from evalsets.runs.importing import import_run as import_run
from evalsets.runs.junit import JudgedGate, write_junit
from evalsets.runs.report import gate_figures
from evalsets.runs.rows import COLUMNS, Row, run_rows
from evalsets.runs.workbook import write_run_workbook
from evalsets.verdicts.gates import ArmFigures, Gate, check_gates
from evalsets.verdicts.scored_arms import evaluators_of

FORMATS = ("jsonl", "csv", "xlsx", "junit")


def export_run(
    database: Database, run_id: str, format: str, out: BinaryIO, gates: Sequence[Gate] = ()
) -> int:
    """Write every cell of a run, in JUnit the gates too; returns how many cells.

    Raises NotFound, Invalid.
    """
    with database.read_scope() as session:
        run = get_run(session, run_id)
        evaluators = evaluators_of(session, run_id)
        judged = _judged(gates, gate_figures(session, run_id)) if gates else []
    rows = run_rows(database, run_id)
    if format == "jsonl":
        return write_rows("jsonl", COLUMNS, rows, out)
    if format in ("csv", "xlsx"):
        columns = [name for name in COLUMNS if name != "scores"]
        columns += [f"score {name}" for name in evaluators]
        if format == "xlsx":
            return write_run_workbook(database, run_id, columns, _flat(rows), out)
        return write_rows("csv", columns, _flat(rows), out)
    if format == "junit":
        return write_junit(run, rows, out, judged)
    raise Invalid(f"There is no format {format!r}. Use one of {', '.join(FORMATS)}.")


def _judged(gates: Sequence[Gate], arms: Sequence[ArmFigures]) -> list[JudgedGate]:
    return [
        JudgedGate(str(gate), [one.sentence for one in check_gates([gate], arms).failures])
        for gate in gates
    ]


def _flat(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        scores = row.pop("scores")
        yield {**row, **{f"score {name}": value for name, value in scores.items()}}
