"""A tuning job as programs read it: the document of `tune show --json`."""

from pathlib import Path
from typing import Any

from sqlmodel import Session

from tuning.folders import job_folder
from tuning.jobs import JobPublic, points

_MOST_LOG = 1 << 20


def document(session: Session, job: JobPublic) -> dict[str, Any]:
    """Everything of a job; `loss` is [step, value] in order."""
    manifest = job.manifest
    return {
        "name": job.name,
        "id": job.id,
        "status": job.status,
        "reason": job.reason,
        "place": job.place,
        "method": manifest.method.kind,
        "adapter": manifest.adapter.kind,
        "base": manifest.base.name,
        "data": f"{manifest.data.dataset}@{manifest.data.version}",
        "knobs": manifest.knobs.model_dump(mode="json"),
        "step": job.step,
        "steps": job.steps,
        "loss": [[one.step, one.value] for one in points(session, job.id, "loss")],
        "eval_loss": job.eval_loss,
        "tokens_per_second": job.tokens_per_second,
        "peak_memory_gb": job.peak_memory_gb,
        "checkpoint": job.checkpoint,
        "seconds": round(job.seconds, 3),
        "adapter_hash": None if job.result is None else job.result["adapter_hash"],
        "model": job.model,
        "backend": job.backend,
        "serving": job.serving,
        "parity": job.parity,
        "proof_run": job.proof_run,
        "author": job.author,
        "created_at": job.created_at,
        "ended_at": job.ended_at,
    }


def log_of(data: Path, job_id: str) -> str:
    """The end of what the trainer printed, at most 1 MiB."""
    try:
        with (job_folder(data, job_id) / "trainer.log").open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _MOST_LOG))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
