"""A TRL trainer whose checkpoints hold no pickle."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from peft.helpers import disable_input_dtype_casting

from tuning.checkpoints import prune, seal
from tuning.spec import Checkpointed
from tuning.trainer import saving
from tuning.trainer.course import Counting, Job

_KEPT = 2


def resumable(base: type[Any]) -> type[Any]:
    """A TRL trainer class that saves and resumes in our format."""

    class Resumable(base):
        """`job` is set before `train`."""

        job: Job

        def get_train_dataloader(self) -> Any:
            collator = self.data_collator
            self.job.waiting.clear()
            self.data_collator = Counting(collator, self.job.waiting)
            try:
                return super().get_train_dataloader()
            finally:
                self.data_collator = collator

        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            count, course = self.job.waiting.popleft(), self.job.course
            course.tokens += count.tokens * self.job.world
            course.computed += count.computed * self.job.world
            return super().training_step(*args, **kwargs)

        def evaluate(self, *args: Any, **kwargs: Any) -> Any:
            # A resumed job may lack this evaluation; its random numbers must be the same.
            with torch.random.fork_rng():
                return super().evaluate(*args, **kwargs)

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            order = self.job.order
            return super()._get_train_sampler(train_dataset) if order is None else order

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            _save(self, self.job)

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            saving.load_weights(self.model, Path(resume_from_checkpoint))

        def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
            if checkpoint is not None:
                saving.load_optimizer(self.optimizer, Path(checkpoint))
                state = saving.load_state(Path(checkpoint))
                self.lr_scheduler.load_state_dict(state["schedule"])

        def _load_scaler(self, checkpoint: str | None) -> None:
            if checkpoint is not None and self.accelerator.scaler is not None:
                state = saving.load_state(Path(checkpoint))["scaler"]
                self.accelerator.scaler.load_state_dict(state)

        def _load_rng_state(self, checkpoint: str | None) -> None:
            if checkpoint is not None:
                saving.load_random(Path(checkpoint), self.args.process_index)

    return Resumable


def _save(trainer: Any, job: Job) -> None:
    """Write `checkpoints/STEP`; its marker is the last thing on the disk."""
    step = trainer.state.global_step
    folder = job.checkpoints / str(step)
    main = trainer.is_world_process_zero()
    if main:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    trainer.accelerator.wait_for_everyone()
    saving.save_random(folder, trainer.args.process_index)
    if main:
        saving.save_weights(trainer.accelerator.unwrap_model(trainer.model), folder)
        scaler = trainer.accelerator.scaler
        parts = {
            "course": asdict(job.course),
            "schedule": trainer.lr_scheduler.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        saving.save_state(folder, trainer.optimizer, parts)
        trainer.state.save_to_json(str(folder / "trainer_state.json"))
    trainer.accelerator.wait_for_everyone()
    if main:
        seal(folder, step)
        job.tell(Checkpointed, step=step, name=str(step))
        kept = {job.course.best_step} if job.spec.knobs.patience else set[int]()
        prune(job.checkpoints, _KEPT, kept)


@contextmanager
def plain_inputs(model: Any) -> Iterator[None]:
    """Under autocast low-rank updates need no copy of their input in float32."""
    with disable_input_dtype_casting(model):
        yield
