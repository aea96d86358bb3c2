"""One job from its folder to its adapter."""

import time
from contextlib import nullcontext
from pathlib import Path

from pydantic import ValidationError

from tuning.methods import Dora, Lora
from tuning.spec import Failed, JobSpec, Started
from tuning.trainer import finish
from tuning.trainer.contain import Stopping, end_after, limit_memory
from tuning.trainer.loop import plain_inputs
from tuning.trainer.prepare import Prepared, prepare
from tuning.trainer.ranks import rank
from tuning.trainer.refusal import Refused, reason_of
from tuning.trainer.tell import Teller

_HANGS_SECONDS = 60.0


def run(folder: Path, stopping: Stopping) -> int:
    """Train the job of `folder`: 0 when it ended or stopped with a checkpoint, else 1.

    Why it failed is told as an event; further processes of one job (RANK) tell nothing.
    """
    tell = Teller(folder / "events.jsonl", silent=rank() > 0)
    try:
        spec = _spec(folder)
        limit_memory(spec.memory_gb)
        if spec.most_seconds is not None:
            late = _late(spec)
            end_after(spec.most_seconds + _HANGS_SECONDS, lambda: tell(Failed, reason=late))
        return _train(prepare(folder, spec, tell, stopping))
    except Refused as error:
        _tell_failure(tell, error)
        return 1
    except Exception as error:
        # What was not foreseen leaves its trace in the log, too.
        _tell_failure(tell, error)
        raise


def _train(ready: Prepared) -> int:
    trainer, job, model = ready.trainer, ready.job, ready.trainer.model
    resumed = ready.resumed
    device = ready.where.name if job.world == 1 else f"{job.world} × {ready.where.name}"
    job.tell(
        Started,
        step=0 if resumed is None else int(resumed.name),
        steps=trainer.args.max_steps,
        parameters=finish.count(model, all_of_it=True),
        trainable=finish.count(model, all_of_it=False),
        device=device,
    )
    begun, before = time.monotonic(), job.course.tokens
    mixed = trainer.args.bf16 or trainer.args.fp16
    low_rank = isinstance(job.spec.adapter, Lora | Dora)
    with plain_inputs(model) if low_rank and mixed else nullcontext():
        trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
    if job.overtime:
        raise Refused(_late(job.spec))
    if job.stopped:
        return 0
    speed = (job.course.tokens - before) / max(time.monotonic() - begun, 1e-9)
    if trainer.is_world_process_zero():
        finish.finish(ready, speed)
    return 0


def _tell_failure(tell: Teller, error: Exception) -> None:
    try:
        tell(Failed, reason=reason_of(error))
    except OSError:
        # The disk is full: the supervisor sees the exit code, and the log says why.
        print(reason_of(error), flush=True)


def _late(spec: JobSpec) -> str:
    return (
        f"The job took longer than the {spec.most_seconds:g} s it was given. Resume it with more "
        "time; it goes on from its last checkpoint."
    )


def _spec(folder: Path) -> JobSpec:
    try:
        spec = JobSpec.model_validate_json((folder / "spec.json").read_bytes())
    except OSError as error:
        raise Refused(f"The job has no spec.json ({error.strerror}). Start it anew.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(
            f"spec.json cannot be used ({place}: {first['msg']}). Start the job anew."
        ) from error
    knobs = spec.knobs
    named = ("learning_rate", "batch", "max_length")
    opened = [name for name in named if getattr(knobs, name) is None]
    if knobs.steps is None and knobs.epochs is None:
        opened.append("epochs")
    if opened:
        raise Refused(f"spec.json leaves {opened[0]} open. Start the job anew.")
    return spec
