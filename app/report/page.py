"""A run as one HTML page that loads nothing and runs nothing: words, pictures, tables, evidence."""

from datetime import UTC, datetime
from typing import BinaryIO

from app.report import evidence, parts
from app.report.data import Report
from app.report.marks import STYLE
from app.telling import figures
from app.telling.escape import text
from app.telling.words import Say

_HEAD = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style></head><body>
"""


def write_page(report: Report, say: Say, language: str, out: BinaryIO) -> None:
    """The whole report in one language; texts of people and models are shown as text."""
    run = report.run
    title = text(run.title or f"{run.dataset}@{run.dataset_version}")
    done = say("runs.done_of", done=figures.count(run.succeeded), total=figures.count(run.total))
    told = say(
        "report.about", dataset=f"{run.dataset}@{run.dataset_version}", done=done,
        failed=figures.count(run.failed), state=say(f"runs.state_{run.status}"),
        at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )  # fmt: skip
    pieces = (
        _HEAD.format(language=language, title=title, style=STYLE),
        f'<header><h1>{title}</h1><p class="faint">{text(told)}</p></header><main>',
        parts.verdict_part(report, say),
        parts.arms_part(report, say),
        parts.cost_part(report, say),
        parts.slices_part(report, say),
        parts.steady_part(report, say),
        evidence.decides_part(report, say),
        evidence.plan_part(report, say),
        *evidence.cells_part(report, say),
        "</main></body></html>\n",
    )
    for piece in pieces:
        out.write(piece.encode(errors="replace"))
