"""`promptstone tune publish|unpublish|prove|lineage`: a trained model into the workspace."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.show import Json, print_json, print_pairs, print_table, say
from app.cli.tune_job import job_named

if TYPE_CHECKING:
    from tuning.jobs import JobPublic

_POLL_SECONDS = 0.2
_MOST_SECONDS = 3600.0


def publish(
    name: str,
    backend: Annotated[
        str | None, typer.Option(metavar="B", help="A vLLM with --lora of the same base.")
    ] = None,
    json: Json = False,
) -> None:
    """Serve a trained model, compare it with the trainer, and make it a model of the workspace."""
    from tuning.serving import publish as ask

    _need_worker()
    with state.writing() as session:
        ask(session, state.settings().data, name, backend)
    job = _until_over(name)
    _print_published(job, json)
    _end_badly(job)


def unpublish(name: str) -> None:
    """Unload a trained model; the job and its adapter stay."""
    from tuning.serving import unpublish as take_down

    with state.writing() as session:
        take_down(session, name)
    say(f"{name} is not served any more.")


def prove(
    name: str,
    prompt: Annotated[
        str | None, typer.Option(metavar="P[@REF]", help="As in the labeled runs, if left out.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DATASET[@V]", help="With cases of the split holdout.")
    ] = None,
    json: Json = False,
) -> None:
    """Run the base and the tuned model over the cases held out; prints the run."""
    from tuning.proof import prove as begin

    _need_worker()
    run_id = begin(state.database(), state.actor(), name, prompt, data)
    if run_id is None:
        job = _until_over(name)
        _end_badly(job)
        run_id = _until_proof(name)
    if json:
        print_json({"job": name, "run": run_id})
    else:
        say(f"The run {run_id} compares base and tuned: `promptstone verdict {run_id}`.")
        print(run_id)


def lineage(name: str, json: Json = False) -> None:
    """What a trained model was made of, down to the labeled runs."""
    from tuning.lineage import lineage_json, lineage_of

    with state.reading() as session:
        found = lineage_of(session, state.settings().data, name)
    if json:
        print_json({"lineage": lineage_json(found)})
    else:
        short = ((one.kind, one.name, one.detail, (one.hash or "")[:16]) for one in found)
        print_table(("what", "name", "detail", "hash"), short)


def _need_worker() -> None:
    from core.errors import Unavailable
    from evalsets.runs.worker_note import worker_alive

    if not worker_alive(state.database()):
        raise Unavailable(
            "No server runs on this data folder, and a model is served by one. Start "
            "`promptstone up`, then try again."
        )


def _until_over(name: str) -> "JobPublic":
    from core.errors import Unavailable
    from tuning.serving import OVER, serving_of

    shown, until = "", time.monotonic() + _MOST_SECONDS
    while time.monotonic() < until:
        job = job_named(name)
        now = serving_of(job)
        if now is None or now.state in OVER:
            return job
        if now.state != shown:
            shown = now.state
            sys.stderr.write(f"{name}: {shown}\n")
        time.sleep(_POLL_SECONDS)
    raise Unavailable(f"{name} is not served yet. It goes on: `promptstone tune show {name}`.")


def _until_proof(name: str) -> str | None:
    """The worker starts it right after the model answers."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        job = job_named(name)
        if job.proof_run is not None:
            return job.proof_run
        _end_badly(job)
        time.sleep(_POLL_SECONDS)
    return None


def _end_badly(job: "JobPublic") -> None:
    from tuning.serving import serving_of

    now = serving_of(job)
    if now is not None and now.state == "failed":
        say(now.reason or "It could not be served.")
        raise typer.Exit(1)


def _print_published(job: "JobPublic", as_json: bool) -> None:
    if as_json:
        from tuning.report import document

        with state.reading() as session:
            print_json(document(session, job))
        return
    parity = job.parity
    equal = None
    if parity is not None:
        equal = (
            f"{parity['answers_equal']} of {parity['prompts']} answers equal, "
            f"{parity['token_ids_equal']} prompts token by token"
        )
        if parity.get("near_ties"):
            equal += f"; {parity['near_ties']} part at a near tie, where rounding decides"
    print_pairs([("job", job.name), ("model", job.model), ("backend", job.backend),
                 ("parity", equal)])  # fmt: skip
