"""What the trainer is handed and what it tells: the border between two environments. Pure.

A job's folder (`DATA/tuning/ID`) holds `spec.json`, `rows.jsonl`, `eval.jsonl`, `events.jsonl`,
`checkpoints/STEP/`, `adapter/` and `trainer.log`. Rows are in TRL's conversational form. Beside the
weights `adapter/` holds `reference.json`: what the model answered when it was ready.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tuning.methods import Adapter, Knobs, Method

REFERENCE = "reference.json"
"""Beside an adapter's weights: a `Reference`."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobSpec(_Value):
    """`spec.json`. Paths are relative to the job's folder but for `base`; hashes are sha256.

    `knobs` has no None but for `steps` and `patience`; `params` go to TRL's configuration as they
    are. `checkpoint_every` and `evaluate_every` are in steps, `most_seconds` ends a job as failed.
    """

    job: str
    base: str = Field(description="folder of a model, or a GGUF file")
    method: Method
    adapter: Adapter
    knobs: Knobs
    params: dict[str, Any] = {}
    rows_hash: str
    eval_hash: str | None = None
    samples: tuple[list[dict[str, str]], ...] = Field(
        default=(), description="messages that the model is asked after each evaluation"
    )
    parity: tuple[list[dict[str, str]], ...] = Field(
        default=(), description="messages that the model that is ready answers for `Reference`"
    )
    checkpoint_every: int = Field(default=50, ge=1)
    evaluate_every: int = Field(default=50, ge=1)
    most_seconds: float | None = None
    memory_gb: float | None = Field(default=None, description="limit of the process, on a CPU")


class Answered(_Value):
    """A prompt, its tokens, and the tokens of the greedy answer; the last may be an end.

    `margins` tell by how many nats each token of the answer was ahead of the next best one.
    """

    messages: list[dict[str, str]]
    prompt_ids: tuple[int, ...]
    answer_ids: tuple[int, ...]
    text: str
    margins: tuple[float, ...] = ()


class Reference(_Value):
    """`adapter/reference.json`: the trainer's own model, to hold a server's answers against.

    `end_ids` are the tokens that end an answer.
    """

    end_ids: tuple[int, ...]
    answers: tuple[Answered, ...]


class Started(_Value):
    """The model is loaded; `step` is where a resumed job goes on."""

    event: Literal["started"] = "started"
    at: float
    step: int
    steps: int
    parameters: int
    trainable: int
    device: str


class Step(_Value):
    """An update; `memory_gb` is the peak so far."""

    event: Literal["step"] = "step"
    at: float
    step: int
    loss: float | None
    learning_rate: float | None = None
    tokens_per_second: float | None = None
    memory_gb: float | None = None


class Evaluated(_Value):
    """The loss on the rows held out."""

    event: Literal["eval"] = "eval"
    at: float
    step: int
    loss: float


class Sampled(_Value):
    """What the model says now to one of the spec's samples (by position)."""

    event: Literal["sample"] = "sample"
    at: float
    step: int
    sample: int
    text: str


class Checkpointed(_Value):
    """A checkpoint is complete and marked."""

    event: Literal["checkpoint"] = "checkpoint"
    at: float
    step: int
    name: str


class Ended(_Value):
    """`adapter/` is complete; `padding` is the share of padding among the tokens computed."""

    event: Literal["ended"] = "ended"
    at: float
    step: int
    early: bool = False
    adapter_hash: str
    tokens: int
    padding: float | None = None
    flops_share: float | None = Field(default=None, description="of the device's peak, if known")
    versions: dict[str, str] = {}


class Failed(_Value):
    """Why there will be no adapter; a sentence with the remedy."""

    event: Literal["failed"] = "failed"
    at: float
    reason: str


Event = Annotated[
    Started | Step | Evaluated | Sampled | Checkpointed | Ended | Failed,
    Field(discriminator="event"),
]
