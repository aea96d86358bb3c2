"""The end of a training: its adapter, sealed, and what it took."""

import platform
import shutil
from importlib.metadata import version
from typing import Any

import torch

from tuning.checkpoints import MARKER, seal
from tuning.methods import Full
from tuning.spec import REFERENCE, Ended
from tuning.trainer import samples, saving
from tuning.trainer.prepare import Prepared


def finish(ready: Prepared, speed: float) -> None:
    """Write and seal `adapter/`, of the best step where the job was told to be patient."""
    trainer, job = ready.trainer, ready.job
    model = trainer.accelerator.unwrap_model(trainer.model)
    course, step = job.course, trainer.state.global_step
    best = job.checkpoints / str(course.best_step)
    if job.spec.knobs.patience and course.best_step != step and (best / MARKER).is_file():
        saving.load_weights(model, best)
    full = isinstance(job.spec.adapter, Full)
    folder = job.folder / "adapter"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    model.save_pretrained(folder, **({} if full else {"save_embedding_layers": False}))
    (folder / "README.md").unlink(missing_ok=True)
    if full:
        ready.base.tokenizer.save_pretrained(folder)
    if job.spec.parity and job.sample is not None:
        found = samples.reference(trainer, ready.base.tokenizer, job)
        (folder / REFERENCE).write_text(found.model_dump_json(), encoding="utf-8")
    sealed = seal(folder, step)
    job.tell(
        Ended,
        step=step,
        early=job.early,
        adapter_hash=sealed.hash,
        tokens=course.tokens,
        padding=1 - course.tokens / course.computed if course.computed else None,
        flops_share=_flops_share(ready, speed),
        versions=_versions(),
    )


def count(model: Any, *, all_of_it: bool) -> int:
    """Weights, or those that are trained; of 4 bits there are two in a byte."""
    total = 0
    for part in model.parameters():
        if all_of_it or part.requires_grad:
            packed = part.__class__.__name__ == "Params4bit" and part.dtype is torch.uint8
            total += part.numel() * (2 if packed else 1)
    return total


def _flops_share(ready: Prepared, speed: float) -> float | None:
    """Model FLOPs utilization (Chowdhery et al. 2022, appendix B): 6 per weight and token.

    Of frozen weights no gradient is made, so an adapter needs 4.
    """
    if ready.where.peak is None:
        return None
    per_token = 6 if isinstance(ready.job.spec.adapter, Full) else 4
    weights = count(ready.trainer.model, all_of_it=True)
    return speed * per_token * weights / (ready.where.peak * ready.job.world)


def _versions() -> dict[str, str]:
    names = ("torch", "transformers", "trl", "peft", "accelerate")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
