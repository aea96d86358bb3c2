"""`promptstone run pause | cancel | resume | retry`."""

import time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.gating import parsed
from app.cli.show import Json, say
from app.cli.watching import Gates, Id, Wait, show_run, tell_if_alone, watch_run

if TYPE_CHECKING:
    from evalsets.verdicts.gates import Gate

_IN_FLIGHT_SECONDS = 15


def pause(run: Id) -> None:
    """Send nothing new; what is in flight is kept."""
    from evalsets.runs.service import pause as ask

    ask(state.database(), state.actor(), run)
    _settled(run)


def cancel(run: Id) -> None:
    """End a run for good; what is in flight is kept."""
    from evalsets.runs.service import cancel as ask

    ask(state.database(), state.actor(), run)
    _settled(run)


def _settled(run_id: str) -> None:
    """Wait for the calls in flight and tell the state."""
    from evalsets.runs.service import get_run

    deadline = time.monotonic() + _IN_FLIGHT_SECONDS
    while True:
        with state.reading() as session:
            run = get_run(session, run_id)
        if run.status != "running" or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    still = ", calls in flight" if run.status == "running" else ""
    say(f"Run {run_id}: {run.status}{still}.")


def resume(
    run: Id,
    budget: Annotated[str | None, typer.Option(metavar="USD", help="A new, higher total.")] = None,
    judge_budget: Annotated[
        str | None, typer.Option(metavar="USD", help="A new total for judges; asks them again.")
    ] = None,
    wait: Wait = False,
    gate: Gates = [],  # noqa: B006
    json: Json = False,
) -> None:
    """Go on with a run that is paused, queued or lost its owner; a live one is only watched."""
    from evalsets.runs.service import resume as ask

    gates = parsed(gate)
    judges = _dollars(judge_budget, "--judge-budget")
    status = ask(state.database(), state.actor(), run, _dollars(budget), judges)
    _after(run, status, wait, gates, json)


def retry(run: Id, wait: Wait = False, gate: Gates = [], json: Json = False) -> None:  # noqa: B006
    """Send failed cells again; an old error stands until the success."""
    from evalsets.runs.service import retry as ask

    gates = parsed(gate)
    again = ask(state.database(), state.actor(), run)
    say(f"{again} failed cells are sent again.")
    _after(run, "queued" if again else "", wait, gates, json)


def _after(run_id: str, status: str, wait: bool, gates: "list[Gate]", as_json: bool) -> None:
    if wait:
        watch_run(run_id, gates, as_json)
    elif as_json:
        show_run(run_id, True)
    else:
        say(f"Run {run_id}: {status or 'as it was'}.")
        if status == "queued":
            tell_if_alone(run_id)


def _dollars(text: str | None, option: str = "--budget") -> Decimal | None:
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise typer.BadParameter("it is no number.", param_hint=option) from error
    if not value.is_finite() or value <= 0:
        raise typer.BadParameter("it must be above 0.", param_hint=option)
    return value
