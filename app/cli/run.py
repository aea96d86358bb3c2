"""`promptstone run`: plan, start, watch, steer and export batches."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli import gating, run_steer, state
from app.cli.files import opened
from app.cli.group import new_group
from app.cli.run_compare import compare
from app.cli.run_start import start
from app.cli.show import Json, money, print_json, print_table
from app.cli.watching import Id, show_run
from app.telling.words import LANGUAGES

commands = new_group("Batches: prompts × models × cases × repeats.")


class Form(StrEnum):
    """Format of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    XLSX = "xlsx"
    HTML = "html"
    JUNIT = "junit"


Language = StrEnum("Language", list(LANGUAGES))
FIRST = Language(LANGUAGES[0])


commands.command()(start)
commands.command()(compare)


@commands.command("list")
def list_all(
    status: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    before: Annotated[str | None, typer.Option(metavar="ID", help="Only older ones.")] = None,
    json: Json = False,
) -> None:
    """The newest runs first."""
    from evalsets.runs.cells import get_run
    from evalsets.runs.report import run_row
    from evalsets.runs.service import list_runs

    with state.reading() as session:
        if before is not None:
            get_run(session, before)
        found = list_runs(session, status=status, before=before, limit=limit)
    if json:
        print_json({"runs": [run_row(run) for run in found]})
        return
    print_table(
        ("run", "state", "data set", "cells", "done", "failed", "cost", "started", "by"),
        (
            (
                r.id, r.status, f"{r.dataset}@{r.dataset_version}", r.total,
                r.succeeded + r.failed, r.failed, money(r.cost), r.created_at, r.actor,
            )
            for r in found
        ),
    )  # fmt: skip


@commands.command()
def show(run: Id, json: Json = False) -> None:
    """Counts, cost and every arm's figures."""
    show_run(run, json)


for _steering in (run_steer.pause, run_steer.resume, run_steer.retry, run_steer.cancel):
    commands.command()(_steering)


@commands.command("import")
def take(
    name: str,
    file: Annotated[Path, typer.Argument(help="JSONL: arm, case_id, inputs, output, …")],
    json: Json = False,
) -> None:
    """Outputs made elsewhere as a completed run, ready to label and compare."""
    from evalsets.runs.exports import import_run

    run_id = import_run(state.database(), state.actor(), name, file)
    if json:
        show_run(run_id, True)
    else:
        print(run_id)


@commands.command()
def export(
    run: Id,
    form: Annotated[Form, typer.Option("--format")],
    output: Annotated[Path | None, typer.Option(help="File to write [stdout].")] = None,
    lang: Annotated[Language, typer.Option(help="Language of the HTML report.")] = FIRST,
    gate: Annotated[
        list[str], typer.Option(metavar="EXPR", help="A test case of JUnit; 100 when one fails.")
    ] = [],  # noqa: B006
) -> None:
    """Every cell with its request, answer, scores and label; HTML is a report of the whole run."""
    from app.report.exporting import export_run

    if gate and form is not Form.JUNIT:
        raise typer.BadParameter("only JUnit holds gates.", param_hint="--gate")
    gates = gating.parsed(gate)
    gating.check_figures(run, gates)
    with opened(output) as out:
        export_run(state.database(), state.actor(), run, form.value, out, lang.value, gates)
    gating.check(run, gates)
