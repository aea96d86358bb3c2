"""What a training will take before it is started, and how long it still takes while it runs."""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from sqlmodel import Session, col, select

from connectors.backends import estimate
from connectors.backends.estimate import Config, Parts
from tuning.jobs import JobPublic
from tuning.knobs import steps_of
from tuning.methods import Adapter, Dora, Full, Knobs, Lora, Method, Sft
from tuning.models import TuningJob, TuningPoint

_CPU_TOKENS = 2048
"""On a CPU the trainer puts about so many tokens through the model at once."""
_FOUR_BITS = 4.127 / 8
"""Bytes of a weight in NF4 with double quantization (Dettmers et al. 2023, section 3)."""
_LOOKED_AT = 200
_RECENT = 20


def memory_of(
    config: Config, method: Method, adapter: Adapter, knobs: Knobs, *, on_gpu: bool
) -> Parts:
    """The least that a training takes, in bytes; `knobs` are derived ones.

    16 bits and recomputed activations on a GPU, where the trainer takes more if it is there;
    32 bits and nothing recomputed on a CPU.
    """
    assert knobs.max_length is not None
    assert knobs.batch is not None
    at_once = knobs.max_length * (1 if isinstance(method, Sft) else 2)
    if not on_gpu:
        at_once = max(at_once, min(knobs.batch * at_once, _CPU_TOKENS))
    compared = isinstance(adapter, Full) and method.kind in ("dpo", "kto")
    # What is trained whole is kept in 32 bits, on a GPU as well.
    each = 2 if on_gpu and not isinstance(adapter, Full) else 4
    weights = _weights(estimate.shape_of(config), adapter, each)
    return estimate.training(
        config, tokens=at_once, rank=_rank(adapter), weight_bytes=weights, bytes_each=each,
        checkpointing=on_gpu, references=int(compared),
    )  # fmt: skip


def _weights(shape: estimate.Shape, adapter: Adapter, each: int) -> int:
    """In 4 bits are the layers alone: embeddings and head stay as they are."""
    whole = estimate.parameters(shape)
    if not isinstance(adapter, Lora | Dora) or adapter.bits == 16:
        return whole * each
    outer = shape.vocab * shape.hidden * (1 if shape.tied else 2)
    return round((whole - outer) * _FOUR_BITS) + outer * each


def _rank(adapter: Adapter) -> int | None:
    """Adapters without a rank train less than one of the lowest would."""
    if isinstance(adapter, Full):
        return None
    return adapter.rank if isinstance(adapter, Lora | Dora) else 1


def speed_of(session: Session, base: str, method: Method, adapter: Adapter) -> float | None:
    """Tokens a second of the newest training of this kind; None: there was none.

    By its median update, evaluations included, where it ended; else what it told last.
    """
    query = (
        select(TuningJob)
        .where(col(TuningJob.tokens_per_second).is_not(None))
        .order_by(col(TuningJob.id).desc())
        .limit(_LOOKED_AT)
    )
    wanted = (base, method.kind, adapter.kind)
    for job in session.exec(query):
        known = job.manifest
        kind = (known["base"]["name"], known["method"]["kind"], known["adapter"]["kind"])
        if kind == wanted:
            return _mean_speed(session, job) or job.tokens_per_second
    return None


def _mean_speed(session: Session, job: TuningJob) -> float | None:
    told = _losses(session, job.id, None)
    paces = [
        (later.at - one.at).total_seconds() / (later.step - one.step)
        for later, one in pairwise(told)
        if later.step > one.step
    ]
    if job.result is None or not paces or not (pace := median(paces)) or not job.step:
        return None
    return int(job.result["tokens"]) / job.step / pace or None


def seconds_for(rows: int, tokens: int, knobs: Knobs, tokens_per_second: float) -> float:
    """About how long `rows` of `tokens` in all take with derived knobs, without the loading."""
    assert knobs.max_length is not None
    assert knobs.batch is not None
    kept = min(tokens, rows * knobs.max_length)
    return steps_of(rows, knobs) * kept / math.ceil(rows / knobs.batch) / tokens_per_second


class _Told(NamedTuple):
    step: int
    at: datetime


def seconds_left(session: Session, job: JobPublic) -> float | None:
    """By the pace of the last updates, evaluations included; None before there is one."""
    recent = _since_resumed(_losses(session, job.id, _RECENT))
    if len(recent) < 2:
        return None
    first, last = recent[-1], recent[0]
    pace = (last.at - first.at).total_seconds() / (last.step - first.step)
    return max(0, job.steps - job.step) * pace


def _losses(session: Session, job_id: str, most: int | None) -> list[_Told]:
    """When losses were told, the newest first."""
    query = (
        select(TuningPoint.step, TuningPoint.at)
        .where(TuningPoint.job_id == job_id, TuningPoint.kind == "loss")
        .order_by(col(TuningPoint.number).desc())
        .limit(most)
    )
    return [_Told(*one) for one in session.exec(query)]


def _since_resumed(newest_first: Sequence[_Told]) -> Sequence[_Told]:
    """Without what was told before a resume, which began at an earlier step."""
    for place in range(1, len(newest_first)):
        if newest_first[place].step >= newest_first[place - 1].step:
            return newest_first[:place]
    return newest_first
