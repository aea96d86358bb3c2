"""`promptstone run`: plan, start, watch, steer and export batches."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import state
from app.cli.files import opened
from app.cli.gating import check, parsed
from app.cli.group import new_group
from app.cli.parse import repeated_pairs
from app.cli.show import Json, money, print_json, print_pairs, print_table, say

if TYPE_CHECKING:
    from evalsets.gates import Gate
    from evalsets.plan import Plan
    from evalsets.runs import RunRequest

commands = new_group("Batches: prompts × models × cases × repeats.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The run.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until it has ended, working on it if need be.")]
Gates = Annotated[
    list[str], typer.Option("--gate", metavar="EXPR", help="errors==0; exit 100 when it fails.")
]


class Form(StrEnum):
    """Format of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    XLSX = "xlsx"
    HTML = "html"
    JUNIT = "junit"


@commands.callback()
def _group() -> None: ...


@commands.command()
def start(
    prompt: Annotated[list[str], typer.Option(metavar="NAME[@REF]", help="A prompt; repeat.")],
    model: Annotated[list[str], typer.Option(metavar="NAME", help="A model; repeat.")],
    dataset: Annotated[str, typer.Option(metavar="NAME[@V]", help="The cases.")],
    repeats: Annotated[int, typer.Option(min=1, help="Calls of every case.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many cases.")] = None,
    param: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUE", help="Parameter; given twice, it makes two arms."),
    ] = [],  # noqa: B006
    mapping: Annotated[
        list[str],
        typer.Option("--map", metavar="[PROMPT:]VARIABLE=COLUMN", help="Bind a column; repeat."),
    ] = [],  # noqa: B006
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Calls at once, instead of the models'.")
    ] = None,
    budget: Annotated[str | None, typer.Option(metavar="USD", help="Pause when reached.")] = None,
    evaluator: Annotated[
        list[str],
        typer.Option(metavar="SPEC", help="exact, contains:TEXT, judge:RUBRIC, FILE.yaml; repeat."),
    ] = [],  # noqa: B006
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask again what was asked.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only tell what it would take.")] = False,
    wait: Wait = False,
    gate: Gates = [],  # noqa: B006
    title: Annotated[str, typer.Option(help="A name for people.")] = "",
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="K", help="The same key gives the same run.")
    ] = None,
    json: Json = False,
) -> None:
    """Run every prompt on every model over every case; the data folder's worker takes it."""
    from evalsets import runs

    if gate and not wait:
        raise typer.BadParameter("a gate needs --wait.", param_hint="--gate")
    gates = parsed(gate)
    request = _request(
        prompts=prompt, models=model, dataset=dataset, repeats=repeats, limit=limit,
        params=repeated_pairs(param, "--param"), mapping=mapping, evaluators=evaluator,
        concurrency=concurrency, budget=budget, cache=not no_cache, title=title,
        idempotency_key=idempotency_key,
    )  # fmt: skip
    if plan:
        _show_plan(runs.plan(state.database(), request), None, json)
        return
    started = runs.start(state.database(), state.actor(), request, here=wait)
    if not wait:
        _show_plan(started.plan, started.run_id, json)
        _tell_if_alone(started.run_id)
        return
    say(f"Run {started.run_id}")
    _watch(started.run_id, gates, json)


def _request(**fields: Any) -> "RunRequest":
    from pydantic import ValidationError

    from evalsets.runs import RunRequest

    try:
        return RunRequest.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(f"{first['msg']}.", param_hint=f"--{first['loc'][0]}") from error


def _show_plan(plan: "Plan", run_id: str | None, as_json: bool) -> None:
    from evalsets.plan import plan_json

    document = plan_json(plan)
    if as_json:
        print_json(document if run_id is None else {"id": run_id, **document})
        return
    lines = [
        ("cells", plan.cells), ("calls", plan.calls), ("cached", plan.cached),
        ("unrunnable", plan.unrunnable), ("tokens in", plan.tokens.input),
        ("tokens out", plan.tokens.output), ("cost", money(document["cost_usd"])),
        ("unpriced", plan.unpriced), ("minutes", plan.minutes),
        ("judge calls", plan.evaluation.calls),
    ]  # fmt: skip
    if run_id is None:
        print_pairs(lines)
        return
    print(run_id)
    say(f"{plan.calls} calls, {plan.cached} cached, {money(document['cost_usd'])}, "
        f"about {plan.minutes} minutes.")  # fmt: skip


def _tell_if_alone(run_id: str) -> None:
    from evalsets.worker import worker_alive

    if not worker_alive(state.settings().data):
        say(
            "No server runs on this data folder, so the run stays queued. Start `promptstone up`, "
            f"or run it here with `promptstone run resume {run_id} --wait`."
        )


@commands.command("list")
def list_all(
    status: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    before: Annotated[str | None, typer.Option(metavar="ID", help="Only older ones.")] = None,
    json: Json = False,
) -> None:
    """The newest runs first."""
    from evalsets.report import run_row

    from evalsets.runs import list_runs

    with state.reading() as session:
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
def pause(run: Id) -> None:
    """Send nothing new; what is in flight is kept."""
    from evalsets.runs import pause as ask

    ask(state.database(), state.actor(), run)
    _settled(run)


@commands.command()
def cancel(run: Id) -> None:
    """End a run for good; what is in flight is kept."""
    from evalsets.runs import cancel as ask

    ask(state.database(), state.actor(), run)
    _settled(run)


def _settled(run_id: str) -> None:
    """Wait for the calls in flight and tell the state."""
    import time

    from evalsets.runs import get_run

    deadline = time.monotonic() + _IN_FLIGHT_SECONDS
    while True:
        with state.reading() as session:
            run = get_run(session, run_id)
        if run.status != "running" or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    still = ", calls in flight" if run.status == "running" else ""
    say(f"Run {run_id}: {run.status}{still}.")


_IN_FLIGHT_SECONDS = 15


@commands.command()
def resume(
    run: Id,
    budget: Annotated[str | None, typer.Option(metavar="USD", help="A new, higher total.")] = None,
    wait: Wait = False,
    gate: Gates = [],  # noqa: B006
    json: Json = False,
) -> None:
    """Go on with a run that is paused, queued or lost its owner; a live one is only watched."""
    from evalsets.runs import resume as ask

    gates = parsed(gate)
    status = ask(state.database(), state.actor(), run, _dollars(budget))
    _after(run, status, wait, gates, json)


@commands.command()
def retry(run: Id, wait: Wait = False, gate: Gates = [], json: Json = False) -> None:  # noqa: B006
    """Send failed cells again; an old error stands until the success."""
    from evalsets.runs import retry as ask

    gates = parsed(gate)
    again = ask(state.database(), state.actor(), run)
    say(f"{again} failed cells are sent again.")
    _after(run, "queued" if again else "", wait, gates, json)


def _after(run_id: str, status: str, wait: bool, gates: "list[Gate]", as_json: bool) -> None:
    if wait:
        _watch(run_id, gates, as_json)
    elif as_json:
        _show(run_id, True)
    else:
        say(f"Run {run_id}: {status or 'as it was'}.")
        if status == "queued":
            _tell_if_alone(run_id)


def _dollars(text: str | None) -> Any:
    from decimal import Decimal, InvalidOperation

    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise typer.BadParameter("it is no number.", param_hint="--budget") from error
    if not value.is_finite() or value <= 0:
        raise typer.BadParameter("it must be above 0.", param_hint="--budget")
    return value


def _watch(run_id: str, gates: "list[Gate]", as_json: bool) -> None:
    """Wait for the end, show the run, and exit as its state and the gates say."""
    from app.cli.waiting import wait_for

    status = wait_for(run_id)
    _show(run_id, as_json)
    if status != "completed":
        raise typer.Exit(1)
    check(run_id, gates)


@commands.command()
def show(run: Id, json: Json = False) -> None:
    """Counts, cost and every arm's figures."""
    _show(run, json)


def _show(run_id: str, as_json: bool) -> None:
    from evalsets.report import run_json

    from app.cli.run_text import print_run

    with state.reading() as session:
        document = run_json(session, run_id)
    if as_json:
        print_json(document)
    else:
        print_run(document)


@commands.command("import")
def take(
    name: str,
    file: Annotated[Path, typer.Argument(help="JSONL: arm, case_id, inputs, output, …")],
    json: Json = False,
) -> None:
    """Outputs made elsewhere as a completed run, ready to label and compare."""
    from evalsets.run_files import import_run

    run_id = import_run(state.database(), state.actor(), name, file)
    if json:
        _show(run_id, True)
    else:
        print(run_id)


@commands.command()
def export(
    run: Id,
    form: Annotated[Form, typer.Option("--format")],
    output: Annotated[Path | None, typer.Option(help="File to write [stdout].")] = None,
) -> None:
    """Every cell with its request, answer, scores and label."""
    from evalsets.run_files import export_run

    with opened(output) as out:
        export_run(state.database(), run, form.value, out)
