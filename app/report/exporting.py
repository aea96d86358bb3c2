"""A run as a file of any format: the report by what this folder makes, the rest by evalsets."""

from collections.abc import Sequence
from typing import BinaryIO

from app.report.data import read_report
from app.report.page import write_page
from app.telling.words import LANGUAGES, sayer
from core.database import Database
from evalsets.runs import exports
from evalsets.verdicts.gates import Gate
from evalsets.verdicts.service import record_look

FORMATS = (*exports.FORMATS, "html")


def export_run(
    database: Database,
    actor: str,
    run_id: str,
    format: str,
    out: BinaryIO,
    language: str = "en",
    gates: Sequence[Gate] = (),
) -> int:
    """Write a run; returns how many cells stand in it.

    A report shows the verdict, so it counts as a look at the labels.
    Raises NotFound, Invalid, and TooLarge for what a spreadsheet cannot hold.
    """
    if format != "html":
        return exports.export_run(database, run_id, format, out, gates)
    report = read_report(database, run_id)
    language = language if language in LANGUAGES else "en"
    write_page(report, sayer(language), language, out)
    with database.session_scope(actor) as session:
        record_look(session, report.verdict)
    return len(report.cells)
