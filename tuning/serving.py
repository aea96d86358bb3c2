"""A trained model on its way to a server and into the workspace: asks, and what became of them.

A worker carries an ask out (`tuning.publisher`): it brings the adapter to a backend, compares the
server with the trainer, and then publishes the model or starts its proof.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from connectors.backends import environment
from connectors.backends import service as backends
from connectors.backends.public import BackendPublic
from connectors.models import Model
from core.audit import record
from core.clock import utcnow
from core.errors import Conflict, NotFound, Unavailable
from core.jobs import enqueue
from tuning import jobs
from tuning.bases import served_base
from tuning.jobs import JobPublic
from tuning.manifest import Manifest
from tuning.models import TuningJob
from tuning.routes import Route, choose

KIND = "tuning-serving"

State = Literal["asked", "merging", "loading", "comparing", "ready", "failed"]
OVER: tuple[State, ...] = ("ready", "failed")


class Proof(BaseModel):
    """What a proof runs, once the model is served: see `tuning.proof`."""

    model_config = ConfigDict(frozen=True)

    prompt: str
    dataset: str
    split: str
    base: str
    evaluators: tuple[str | dict[str, object], ...] = ()


class Serving(BaseModel):
    """How far an ask has come; `publish` and `proof` say what follows when it is ready."""

    model_config = ConfigDict(frozen=True)

    state: State = "asked"
    reason: str | None = None
    route: Route
    publish: bool = False
    proof: Proof | None = None


def serving_of(job: JobPublic | TuningJob) -> Serving | None:
    """The newest ask of a job."""
    return None if job.serving is None else Serving.model_validate(job.serving)


def publish(session: Session, data: Path, name: str, backend: str | None = None) -> Serving:
    """Ask for a trained model to become a model of the workspace, of the job's name.

    With no `backend` the quickest way is taken. Raises NotFound, Conflict.
    """
    return ask(session, data, name, backend, publish=True)


def ask(
    session: Session,
    data: Path,
    name: str,
    backend: str | None = None,
    *,
    publish: bool = False,
    proof: Proof | None = None,
) -> Serving:
    """Have a worker bring a model to a server. Raises NotFound, Conflict."""
    job = jobs.row(session, name)
    _check(session, job)
    before = serving_of(job)
    manifest = Manifest.model_validate(job.manifest)
    if before is not None and before.state == "ready" and backend in (None, before.route.backend):
        route = before.route
    else:
        route = _route(session, data, job.name, manifest, backend)
    if before is not None and before.state == "ready" and before.route != route:
        _take_down(session, job, before)
    asked = Serving(route=route, publish=publish, proof=proof)
    job.serving = asked.model_dump(mode="json")
    session.add(job)
    enqueue(session, KIND, job.id)
    record(session, "tuning.publish" if publish else "tuning.prove", job.name, {"id": job.id})
    return asked


def unpublish(session: Session, name: str) -> None:
    """Unload a model and forget it; the job and its adapter stay. Raises NotFound, Conflict."""
    job = jobs.row(session, name)
    before = serving_of(job)
    if before is None:
        raise Conflict(f"{job.name} is not served. `promptstone tune publish` serves it.")
    if before.state not in OVER:
        raise Conflict(f"{job.name} is on its way to a server. Wait until it is there.")
    _take_down(session, job, before)
    session.add(job)
    record(session, "tuning.unpublish", job.name, {"id": job.id})


def _check(session: Session, job: TuningJob) -> None:
    if job.status != "completed":
        raise Conflict(f"The tuning job {job.name} is {job.status}. Let it end, then publish it.")
    now = serving_of(job)
    if now is not None and now.state not in OVER:
        raise Conflict(f"{job.name} is on its way to a server already. Wait until it is there.")
    if now is None and session.get(Model, job.name) is not None:
        raise Conflict(
            f"There is a model {job.name!r} already, and it is another. Remove it first.",
            param="name",
        )


def _route(
    session: Session, data: Path, name: str, manifest: Manifest, backend: str | None
) -> Route:
    base = served_base(data, manifest.base)

    def is_base(one: BackendPublic) -> bool:
        source = Path(one.settings.source).expanduser()
        return source.exists() and source.resolve() == base

    try:
        environment.find(data)
        vllm = True
    except Unavailable:
        vllm = False
    return choose(
        name, manifest, backends.list_backends(session), backend, is_base=is_base, vllm=vllm
    )


def _take_down(session: Session, job: TuningJob, before: Serving) -> None:
    try:
        if before.route.kind == "adapter":
            backends.remove_adapter(session, before.route.backend, job.name)
        else:
            backends.remove_backend(session, before.route.backend)
    except NotFound:
        pass  # somebody took it down on the page of the backend
    job.serving = job.model = job.backend = job.published_at = None


# -- what the worker writes ------------------------------------------------------------------


def tell(session: Session, job_id: str, state: State, reason: str | None = None) -> None:
    """How far it is."""
    job = jobs.row(session, job_id)
    before = serving_of(job)
    assert before is not None
    changed = before.model_copy(update={"state": state, "reason": reason})
    job.serving = changed.model_dump(mode="json")
    session.add(job)


def is_served(session: Session, job_id: str, parity: dict[str, object] | None) -> Serving:
    """The model answers: its certificate is kept, and it is published where that was asked."""
    job = jobs.row(session, job_id)
    tell(session, job_id, "ready")
    found = serving_of(job)
    assert found is not None
    job.parity, job.backend = parity, found.route.backend
    if found.publish and job.model is None:
        job.model, job.published_at = job.name, utcnow()
        record(session, "tuning.published", job.name, {"backend": found.route.backend})
    session.add(job)
    return found
