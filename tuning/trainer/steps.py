"""What a training does after each update: tell, save, evaluate, go on or not."""

import math
import resource
import time
from typing import Any

import torch
from transformers import TrainerCallback

from tuning.spec import Evaluated, Step
from tuning.trainer.course import Job
from tuning.trainer.refusal import Refused


class Steps(TrainerCallback):
    """Decides after each update what is told, saved, evaluated, and whether it goes on."""

    def __init__(self, job: Job, *, evaluates: bool, log_every: int) -> None:
        self._job = job
        self._evaluates = evaluates
        self._log_every = log_every
        self._since = time.monotonic()
        self._begun = self._since
        self._before = job.course.seconds
        self._tokens = job.course.tokens

    def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        self._since = self._begun = time.monotonic()
        self._tokens, self._before = self._job.course.tokens, self._job.course.seconds

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        if self._job.order is not None:
            self._job.order.set_epoch(int((state.epoch or 0) + 1e-6))

    def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        job, step, last = self._job, state.global_step, state.global_step >= state.max_steps
        job.course.seconds = self._before + time.monotonic() - self._begun
        limit = job.spec.most_seconds
        job.overtime = _any(limit is not None and job.course.seconds > limit, job.world)
        job.stopped = _any(job.stopping.asked, job.world) and not last
        ending = job.stopped or job.overtime
        control.should_evaluate = self._evaluates and (
            (step % job.spec.evaluate_every == 0 and not ending) or last
        )
        control.should_save = ending or (step % job.spec.checkpoint_every == 0 and not last)
        # A loss that is no number must be seen before it is saved.
        control.should_log = control.should_save or last or step % self._log_every == 0 or step == 1
        control.should_training_stop = control.should_training_stop or ending or last

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **parts: Any
    ) -> None:
        state.log_history.clear()
        if not logs or "loss" not in logs:
            return
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise Refused(
                f"The loss is no number any more at step {state.global_step}. Lower learning_rate, "
                "and look at the rows."
            )
        now, tokens = time.monotonic(), self._job.course.tokens
        speed = (tokens - self._tokens) / max(now - self._since, 1e-9)
        self._since, self._tokens = now, tokens
        self._job.tell(
            Step,
            step=state.global_step,
            loss=loss,
            learning_rate=float(logs.get("learning_rate", 0.0)),
            tokens_per_second=speed,
            memory_gb=memory_gb(),
        )

    def on_evaluate(
        self,
        args: Any,
        state: Any,
        control: Any,
        metrics: dict[str, Any] | None = None,
        **parts: Any,
    ) -> None:
        loss = float((metrics or {}).get("eval_loss", math.nan))
        if not math.isfinite(loss):
            raise Refused(
                f"The evaluation loss is no number at step {state.global_step}. Lower "
                "learning_rate, and look at the rows held out."
            )
        job = self._job
        job.tell(Evaluated, step=state.global_step, loss=loss)
        _judge(job, state, control, loss)
        if job.sample is not None and not job.early:
            job.sample(state.global_step)
        # What was evaluated and told is no training: speed is that of updates.
        self._since, self._tokens = time.monotonic(), job.course.tokens


def _judge(job: Job, state: Any, control: Any, loss: float) -> None:
    course, patience = job.course, job.spec.knobs.patience
    if course.best_loss is None or loss < course.best_loss:
        course.best_loss, course.best_step, course.without_gain = loss, state.global_step, 0
        control.should_save = control.should_save or patience is not None
        return
    course.without_gain += 1
    if patience is not None and course.without_gain >= patience:
        job.early = control.should_training_stop = True


def _any(here: bool, world: int) -> bool:
    """Whether any of several processes thinks so: they must all stop at the same step."""
    if world == 1:
        return here
    flag = torch.tensor([int(here)], device="cuda" if torch.cuda.is_available() else "cpu")
    torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
    return bool(flag.item())


def memory_gb() -> float:
    """The most memory so far: of the GPU, else of this process, in GiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
