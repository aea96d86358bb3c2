"""What a trained model was made of: every parent by name and hash, down to the labeled runs."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from sqlmodel import Session, col, select

from core.errors import NotFound
from tuning import jobs
from tuning.jobs import JobPublic
from tuning.models import TuningJob
from tuning.origins import origins_of, runs_of

Kind = Literal["base", "dataset", "run", "prompt", "source", "job", "adapter", "proof", "model"]


class Parent(NamedTuple):
    """A thing in the chain: `name` leads to its page, `detail` is for people."""

    kind: Kind
    name: str
    detail: str = ""
    hash: str | None = None


class Trained(NamedTuple):
    """A model of ours: its job; a candidate is served for its proof alone, never published yet."""

    job: str
    candidate: bool


def lineage_of(session: Session, data: Path, name: str) -> list[Parent]:
    """From the base and the labeled runs to the published model; raises NotFound."""
    job = jobs.get(session, data, name)
    manifest = job.manifest
    found = [
        Parent("base", manifest.base.name, manifest.base.path, manifest.base.hash),
        *_rows(session, job),
        Parent("job", job.name, _settings(job)),
    ]
    if job.result is not None:
        found.append(Parent("adapter", job.name, _versions(job), job.result["adapter_hash"]))
    if job.proof_run is not None:
        found.append(Parent("proof", job.proof_run))
    if job.model is not None:
        found.append(Parent("model", job.model, job.backend or ""))
    return found


def trained(session: Session, model: str) -> Trained | None:
    """The job that a model came of; None for a model that we did not train."""
    query = select(TuningJob.name, TuningJob.model).where(
        TuningJob.name == model, col(TuningJob.serving).is_not(None)
    )
    found = session.exec(query).first()
    return None if found is None else Trained(found[0], found[1] is None)


def lineage_json(parents: list[Parent]) -> list[dict[str, Any]]:
    """Lines of `tune lineage --json`."""
    return [one._asdict() for one in parents]


def _rows(session: Session, job: JobPublic) -> list[Parent]:
    found: list[Parent] = []
    data, evaluation = job.manifest.data, job.manifest.evaluation
    # Rows held out of the same data set are no other parent.
    refs = (
        [data] if evaluation is None or evaluation.dataset == data.dataset else [data, evaluation]
    )
    for ref in refs:
        named = f"{ref.dataset}@{ref.version}"
        found.append(Parent("dataset", named, f"{ref.rows} rows", ref.dataset_hash))
    try:
        origins = origins_of(session, job.manifest.data)
    except NotFound:
        return found
    runs = {run.id: run for run in runs_of(session, origins)}
    for one in origins:
        run = runs.get(one.name)
        if run is None:
            found.append(Parent("source", one.name, f"{one.rows} rows"))
        else:
            arms = ", ".join(str(arm["name"]) for arm in run.manifest["arms"])
            found.append(Parent("run", run.id, f"{one.rows} rows labeled in {arms}"))
    return found


def _settings(job: JobPublic) -> str:
    manifest = job.manifest
    knobs = manifest.knobs.model_dump(mode="json", exclude_none=True)
    said = [f"{name}={value}" for name, value in {**knobs, **manifest.params}.items()]
    kinds = f"{manifest.method.kind}, {manifest.adapter.kind}"
    return f"{kinds}; {', '.join(said)}; Promptstone {manifest.code}"


def _versions(job: JobPublic) -> str:
    found = (job.result or {}).get("versions") or {}
    return ", ".join(f"{name} {version}" for name, version in found.items())
