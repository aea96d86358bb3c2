"""`promptstone tune`: training a model of our own from labels."""

import signal
import sys
import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state, tune_merge, tune_publish
from app.cli.group import new_group
from app.cli.parse import json_pairs
from app.cli.show import Json, print_json, print_pairs, print_table, say, visible
from app.cli.tune_job import job_named

if TYPE_CHECKING:
    from tuning.jobs import JobPublic

commands = new_group("Tuning: train adapters from labeled rows; start, follow, stop, resume.")
_POLL_SECONDS = 0.5


class Way(StrEnum):
    """How a model learns."""

    SFT = "sft"
    DPO = "dpo"
    KTO = "kto"
    REWARD = "reward"


class Form(StrEnum):
    """What is trained of it."""

    LORA = "lora"
    DORA = "dora"
    IA3 = "ia3"
    PREFIX = "prefix"
    PROMPT = "prompt"
    P_TUNING = "p_tuning"
    FULL = "full"


@commands.command()
def start(
    name: str,
    base: Annotated[str, typer.Option(help="demo, a backend's name, a folder or a GGUF file.")],
    data: Annotated[str, typer.Option(metavar="DATASET[@V]", help="Rows to learn from.")],
    method: Annotated[Way, typer.Option(help="How it learns.")],
    adapter: Annotated[Form, typer.Option(help="What is trained.")] = Form.LORA,
    param: Annotated[
        list[str], typer.Option(metavar="KEY=VALUE", help="A knob, or a setting of TRL's; repeat.")
    ] = [],  # noqa: B006
    evaluation: Annotated[
        str | None, typer.Option("--eval", metavar="DATASET[@V]", help="Rows for its loss.")
    ] = None,
    gpu: Annotated[str | None, typer.Option(metavar="KIND", help="Part of a kind's name.")] = None,
    gpus: Annotated[int, typer.Option(min=1, max=64, help="How many GPUs.")] = 1,
    memory: Annotated[
        float | None, typer.Option(metavar="GB", min=0.1, help="GiB on each, if not estimated.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without bad rows.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until it ends.")] = False,
    json: Json = False,
) -> None:
    """Train a base on rows; the data folder's worker takes it."""
    from prompts.chat_template import check_chat_template
    from tuning.environment import find
    from tuning.request import settings_of
    from tuning.service import TuneRequest
    from tuning.service import start as begin

    asked = settings_of(method.value, adapter.value, json_pairs(param, "--param"))
    find(state.settings().data)
    request = TuneRequest(
        name, base, data, evaluation, *asked, skip_bad=skip_bad, gpu=gpu, gpus=gpus,
        memory=None if memory is None else int(memory * (1 << 30)),
    )  # fmt: skip
    begin(state.database(), state.actor(), request, check_chat_template)
    _follow(name, wait, json)


@commands.command("list")
def list_all(json: Json = False) -> None:
    """All trainings, the newest first."""
    from tuning.jobs import list_jobs
    from tuning.report import document

    with state.reading() as session:
        found = list_jobs(session, state.settings().data)
        documents = [document(session, one) for one in found] if json else []
    if json:
        print_json({"tunes": documents})
        return
    print_table(
        ("job", "state", "method", "adapter", "base", "data", "step", "of", "eval loss", "by"),
        (
            (j.name, j.status, j.manifest.method.kind, j.manifest.adapter.kind,
             j.manifest.base.name, j.manifest.data.dataset, j.step, j.steps, j.eval_loss, j.author)
            for j in found
        ),
    )  # fmt: skip


@commands.command()
def show(name: str, json: Json = False) -> None:
    """One training: state, figures, what came out."""
    _print(job_named(name), json)


@commands.command()
def logs(name: str) -> None:
    """What the trainer printed."""
    from tuning.report import log_of

    print(visible(log_of(state.settings().data, job_named(name).id), keep="\n"))


@commands.command()
def cancel(name: str) -> None:
    """End a training for good."""
    _ask(name, "cancel")


@commands.command()
def stop(name: str) -> None:
    """End a training after a checkpoint; resume goes on from there."""
    _ask(name, "stop")


@commands.command()
def resume(
    name: str,
    wait: Annotated[bool, typer.Option("--wait", help="Until it ends.")] = False,
    json: Json = False,
) -> None:
    """Go on from the last complete checkpoint."""
    from tuning.jobs import resume as again

    with state.writing() as session:
        again(session, name)
    _follow(name, wait, json)


@commands.command()
def install() -> None:
    """Make the trainer's own environment in the data folder."""
    from tuning.environment import install as make

    say(f"The trainer runs by {make(state.settings().data, say)}.")


commands.command("merge")(tune_merge.merge)
for command in (
    tune_publish.publish,
    tune_publish.unpublish,
    tune_publish.prove,
    tune_publish.lineage,
):
    commands.command()(command)


def _ask(name: str, what: str) -> None:
    from tuning.jobs import ask

    with state.writing() as session:
        status = ask(session, name, what)
    say(f"{name}: asked to {what}." if status == "running" else f"{name} is {status}.")


def _follow(name: str, wait: bool, as_json: bool) -> None:
    from evalsets.runs.worker_note import worker_alive

    if wait:
        _wait(name)
    elif not worker_alive(state.database()):
        say(
            "No server runs on this data folder, so the job stays queued. Start `promptstone up`, "
            "or use --wait."
        )
    job = job_named(name)
    _print(job, as_json)
    if wait and job.status != "completed":
        raise typer.Exit(1)


def _wait(name: str) -> None:
    """Until it has ended, working on it here where nobody else does."""
    from evalsets.runs.worker_note import worker_alive
    from tuning.manifest import LIVE
    from tuning.owner import own_and_run

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    while not ended.is_set() and (job := job_named(name)).status in (*LIVE, "interrupted"):
        if job.reason and job.status == "interrupted" and job.ended_at is not None:
            return
        if not worker_alive(state.database()):
            own_and_run(state.database(), job.id, ended)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{job.status}  step {job.step} of {job.steps}")
        ended.wait(_POLL_SECONDS)


def _print(job: "JobPublic", as_json: bool) -> None:
    if as_json:
        from tuning.report import document

        with state.reading() as session:
            print_json(document(session, job))
        return
    manifest = job.manifest
    print_pairs([
        ("job", job.name), ("state", job.status), ("why", job.reason),
        ("base", manifest.base.name),
        ("method", f"{manifest.method.kind}, {manifest.adapter.kind}"),
        ("data", f"{manifest.data.dataset}@{manifest.data.version}, {manifest.data.rows} rows"),
        ("step", f"{job.step} of {job.steps}"), ("eval loss", job.eval_loss),
        ("tokens/s", job.tokens_per_second), ("memory", job.peak_memory_gb),
        ("seconds", round(job.seconds, 1)), ("by", job.author),
    ])  # fmt: skip
