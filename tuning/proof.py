"""Base against tuned, on cases that neither learned from: an ordinary run with its verdict."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sqlmodel import Session, col, select

from connectors.backends.service import list_backends
from connectors.models import Model
from core.database import Database
from core.errors import Conflict, NotFound
from core.names import split_ref
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import split_counts
from evalsets.models import Run
from evalsets.runs.manifest import Manifest as RunManifest
from evalsets.runs.request import RunRequest
from evalsets.runs.service import start
from prompts import service as prompts
from prompts.content import MessageTemplate, PromptContent, Variable
from tuning import jobs, serving
from tuning.bases import served_base
from tuning.jobs import JobPublic
from tuning.origins import origins_of, runs_of
from tuning.serving import Proof, serving_of

ROWS_PROMPT = "tuning/rows"
"""Asks what the rows of a training data set ask, as it is."""
_SPLITS = ("holdout", "test", "dev")
_ROWS = PromptContent(
    messages=(MessageTemplate(role="user", content="{{ messages }}"),),
    inputs=(Variable(name="messages", kind="thread"),),
)


class Offer(NamedTuple):
    """What a proof may run: `prompts` and `datasets`, the best first; `why` it cannot, if so.

    `datasets` are NAME@V with cases held out; `base` is the model that answers for the base.
    """

    prompts: tuple[str, ...]
    datasets: tuple[str, ...]
    evaluators: tuple[str | dict[str, object], ...]
    base: str | None
    tuned: str
    why: str | None


def offer(session: Session, data: Path, name: str) -> Offer:
    """What can be proven of a job; raises NotFound."""
    job = jobs.get(session, data, name)
    runs = runs_of(session, origins_of(session, job.manifest.data))
    base = _base_model(session, data, job)
    held_out = _held_out(session, job, runs)
    asked = [ref for run in runs for ref in _prompts(run)]
    if held_out and held_out[0] == _own(job):
        asked = [ROWS_PROMPT, *asked]
    why = None
    if job.status != "completed":
        why = f"{job.name} is {job.status}. Let it end first."
    elif base is None:
        why = (
            f"No model of this workspace is the base {job.manifest.base.name}. Add a backend of it "
            "on the page Backends."
        )
    elif not held_out:
        why = (
            "No data set that it came from has cases held out. Give cases the split holdout, "
            "or name a data set that has."
        )
    specs = _evaluators(runs) or ("exact",)
    return Offer(tuple(dict.fromkeys(asked)), tuple(held_out), specs, base, job.name, why)


def prove(
    database: Database,
    actor: str,
    name: str,
    prompt: str | None = None,
    dataset: str | None = None,
) -> str | None:
    """Run base and tuned over held-out cases; the run's id, None while the model is on its way.

    What is not named is taken from where the rows came from. Raises NotFound, Conflict, Invalid.
    """
    data = database.settings.data
    with database.read_scope() as session:
        offered = offer(session, data, name)
        job = jobs.get(session, data, name)
        wanted = _wanted(session, offered, prompt, dataset)
    with database.session_scope(actor) as session:
        if wanted.prompt == ROWS_PROMPT:
            prompts.push(session, ROWS_PROMPT, _ROWS, message="Asks the rows of training data.")
        now = serving_of(job)
        if now is None or now.state != "ready":
            serving.ask(session, data, name, proof=wanted)
            return None
    return begin(database, job.id, wanted)


def begin(database: Database, job_id: str, wanted: Proof) -> str:
    """Start the run of a model that is served, and keep it with the job; its id."""
    with database.read_scope() as session:
        job = jobs.get(session, database.settings.data, job_id)
    request = RunRequest(
        prompts=(wanted.prompt,),
        models=(wanted.base, job.name),
        dataset=wanted.dataset,
        split=wanted.split,
        evaluators=wanted.evaluators,
        title=f"{job.name}: base and tuned",
    )
    run_id = start(database, job.author, request).run_id
    with database.session_scope(job.author) as session:
        row = jobs.row(session, job_id)
        row.proof_run = run_id
        session.add(row)
    return run_id


def _wanted(session: Session, offered: Offer, prompt: str | None, dataset: str | None) -> Proof:
    if offered.why is not None and (offered.base is None or dataset is None):
        raise Conflict(offered.why)
    assert offered.base is not None
    chosen = prompt or next(iter(offered.prompts), None)
    if chosen is None:
        raise Conflict("The rows came with no prompt. Name one with --prompt.", param="prompt")
    ref = dataset or offered.datasets[0]
    version = datasets.get(session, *split_ref(ref))
    counts = split_counts(session, version.version_id)
    split = next((one for one in _SPLITS if counts.get(one)), None)
    if split is None:
        raise Conflict(
            f"{version.ref} has no cases of the splits holdout, test or dev. Give some cases one.",
            param="dataset",
        )
    return Proof(
        prompt=chosen, dataset=version.ref, split=split, base=offered.base,
        evaluators=offered.evaluators,
    )  # fmt: skip


def _own(job: JobPublic) -> str:
    return f"{job.manifest.data.dataset}@{job.manifest.data.version}"


def _held_out(session: Session, job: JobPublic, runs: Sequence[Run]) -> list[str]:
    """Versions with cases held out: of the data sets that were run, then the rows' own."""
    names = [run.dataset for run in runs]
    found: list[str] = []
    for ref in dict.fromkeys([*names, _own(job)]):
        try:
            version = datasets.get(session, *split_ref(ref))
        except NotFound:
            continue
        counts = split_counts(session, version.version_id)
        if any(counts.get(split) for split in _SPLITS):
            found.append(version.ref)
    return found


def _prompts(run: Run) -> list[str]:
    arms = RunManifest.model_validate(run.manifest).arms
    frozen = [arm.prompt for arm in arms if arm.prompt is not None and arm.app is None]
    return [f"{one.name}@{one.version}" for one in frozen if one.name]


def _evaluators(runs: Sequence[Run]) -> tuple[str | dict[str, object], ...]:
    for run in runs:
        found = RunManifest.model_validate(run.manifest).evaluators
        if found:
            return tuple({**one.spec, "name": one.name} for one in found)
    return ()


def _base_model(session: Session, data: Path, job: JobPublic) -> str | None:
    """A model of the workspace that is the job's base."""
    name = job.manifest.base.name
    if session.exec(select(Model.name).where(col(Model.name) == name)).first() is not None:
        return name
    base = job.manifest.base
    places = {Path(base.path).resolve(), served_base(data, base)}
    for one in list_backends(session):
        source = Path(one.settings.source).expanduser()
        if one.settings.adapter is None and source.exists() and source.resolve() in places:
            return one.name
    return None
