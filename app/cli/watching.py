"""What commands about one run share: its options, showing it, waiting for its end."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.gating import check, check_figures
from app.cli.show import print_json, say

if TYPE_CHECKING:
    from evalsets.verdicts.gates import Gate

Id = Annotated[str, typer.Argument(metavar="ID", help="The run.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until it has ended, working on it if need be.")]
Gates = Annotated[
    list[str], typer.Option("--gate", metavar="EXPR", help="errors==0; exit 100 when it fails.")
]


def show_run(run_id: str, as_json: bool) -> None:
    """Counts, cost and every arm's figures."""
    from app.cli.run_text import print_run
    from evalsets.runs.report import run_json

    with state.reading() as session:
        document = run_json(session, run_id)
    if as_json:
        print_json(document)
    else:
        print_run(document)


def watch_run(run_id: str, gates: "list[Gate]", as_json: bool) -> None:
    """Wait for the end, show the run, and exit as its state and the gates say."""
    from app.cli.waiting import wait_for

    check_figures(run_id, gates)
    status = wait_for(run_id)
    show_run(run_id, as_json)
    if status != "completed":
        say(_unfinished(run_id))
        raise typer.Exit(1)
    check(run_id, gates)


def _unfinished(run_id: str) -> str:
    """Why a run has not completed, and what its owner can do."""
    from evalsets.runs.service import get_run

    with state.reading() as session:
        run = get_run(session, run_id)
    again = f"`promptstone run resume {run_id}"
    if run.status == "paused" and run.reason == "budget":
        total = "budget" if run.budget is None else f"budget of ${run.budget:f}"
        return (
            f"The run is paused: its {total} does not cover the next call. Raise it with "
            f"{again} --budget USD`."
        )
    if run.status == "cancelled":
        return "The run was cancelled. Start a new one: its answers are cached."
    if run.status == "failed":
        return f"The run failed: {run.reason}"
    return f"The run is {run.status} ({run.reason}). Go on with {again}`."


def tell_if_alone(run_id: str) -> None:
    """Say so when nobody will take the run."""
    from evalsets.runs.worker_note import worker_alive

    if not worker_alive(state.database()):
        say(
            "No server runs on this data folder, so the run stays queued. Start `promptstone up`, "
            f"or run it here with `promptstone run resume {run_id} --wait`."
        )
