"""A training under way: its rules, how it goes, and what it has computed."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tuning.spec import JobSpec
from tuning.trainer.contain import Stopping
from tuning.trainer.order import Order
from tuning.trainer.tell import Teller


@dataclass
class Course:
    """How a training goes; it is kept in each checkpoint."""

    best_loss: float | None = None
    best_step: int = 0
    without_gain: int = 0
    tokens: int = 0
    computed: int = 0
    seconds: float = 0.0


class Count(NamedTuple):
    """Tokens of a batch, and how many were computed with the padding."""

    tokens: int
    computed: int


@dataclass
class Job:
    """A training under way: its folder, its rules, its course, and who hears of it."""

    spec: JobSpec
    folder: Path
    tell: Teller
    stopping: Stopping
    course: Course
    order: Order | None = None
    sample: Callable[[int], None] | None = None
    waiting: deque[Count] = field(default_factory=deque[Count])
    world: int = 1
    early: bool = False
    stopped: bool = False
    overtime: bool = False

    @property
    def checkpoints(self) -> Path:
        """Where they are."""
        return self.folder / "checkpoints"


class Counting:
    """A collator that counts what it lays out; batches are made before their step is."""

    def __init__(self, collator: Any, waiting: deque[Count]) -> None:
        self._collator = collator
        self._waiting = waiting

    def __call__(self, examples: Any) -> Any:
        batch = self._collator(examples)
        tokens = computed = 0
        for name, ids in batch.items():
            if name.endswith("input_ids"):
                mask = batch.get(name.replace("input_ids", "attention_mask"))
                tokens += ids.numel() if mask is None else int(mask.sum())
                computed += ids.numel()
        self._waiting.append(Count(tokens, computed))
        return batch
