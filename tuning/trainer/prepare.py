"""All that stands before the first step: rows, model, adapter, and TRL's trainer."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset, disable_progress_bars
from transformers import PrinterCallback, set_seed
from transformers.utils import logging

from tuning.checkpoints import survey
from tuning.methods import Full, Kto, Prefix, PromptTuning, PTuning, Reward, Sft
from tuning.spec import JobSpec
from tuning.trainer import adapters, arguments, bases, fit, rows, saving
from tuning.trainer.contain import Stopping
from tuning.trainer.course import Course, Job
from tuning.trainer.loop import resumable
from tuning.trainer.order import Order
from tuning.trainer.ranks import local_rank, rank, world
from tuning.trainer.refusal import Refused
from tuning.trainer.samples import sampler
from tuning.trainer.steps import Steps
from tuning.trainer.tell import Teller

_TOLD = 1000
"""Losses that a job tells, at most, give or take those at checkpoints."""


class Prepared(NamedTuple):
    """TRL's trainer, and the checkpoint where it goes on."""

    trainer: Any
    job: Job
    base: bases.Base
    where: bases.Device
    resumed: Path | None


def prepare(folder: Path, spec: JobSpec, tell: Teller, stopping: Stopping) -> Prepared:
    """Read, check, load and build. Raises Refused."""
    disable_progress_bars()
    logging.disable_progress_bar()
    kind = spec.method.rows
    training = rows.read(folder / "rows.jsonl", kind, spec.rows_hash)
    held_out = rows.read(folder / "eval.jsonl", kind, spec.eval_hash) if spec.eval_hash else []
    resumed = _resumed(folder)
    where = bases.device(local_rank())
    set_seed(spec.knobs.seed)
    flat = _is_flat(spec)
    wanted = bases.Kind(
        reward=isinstance(spec.method, Reward),
        full=isinstance(spec.adapter, Full),
        bits=getattr(spec.adapter, "bits", 16),
        # Where padding was asked for by name, rows are not end to end after all.
        flat=flat and bool(spec.params.get("padding_free", True)),
    )
    base = bases.load(Path(spec.base), folder.parent / "bases", where, wanted)
    data = dataset(base.tokenizer, spec, training)
    evaluation = dataset(base.tokenizer, spec, held_out) if held_out else None
    split = _split(spec, base.model, where, data["length"], flat)
    print(f"passes: {json.dumps(split._asdict())}", flush=True)
    course = Course() if resumed is None else Course(**saving.load_state(resumed)["course"])
    job = Job(spec, folder, tell, stopping, course, world=world())
    steps = _steps(spec, len(data), split.rows * split.accumulate * job.world)
    trainer = _trainer(job, base, where, data, evaluation, split, steps, flat)
    return Prepared(trainer, job, base, where, resumed)


def _trainer(
    job: Job, base: bases.Base, where: bases.Device, data: Dataset, evaluation: Dataset | None,
    split: fit.Pass, steps: int, flat: bool,
) -> Any:  # fmt: skip
    spec, reward = job.spec, isinstance(job.spec.method, Reward)
    log_every = max(1, steps // _TOLD)
    made = resumable(arguments.KINDS[type(spec.method)].trainer)(
        model=base.model,
        args=arguments.settings(spec, where, split, flat=flat, steps=steps),
        train_dataset=data,
        eval_dataset=evaluation,
        processing_class=base.tokenizer,
        peft_config=adapters.settings(spec.adapter, base.model, str(base.folder), reward=reward),
        callbacks=[Steps(job, evaluates=evaluation is not None, log_every=log_every)],
    )
    made.remove_callback(PrinterCallback)
    if where.dtype is not torch.bfloat16:
        # Beside 4 bits TRL trains in bfloat16, which neither 32 bits nor the scaler of 16 take.
        for part in made.model.parameters():
            if part.requires_grad:
                part.data = part.data.float()
    made.job = job
    if not isinstance(spec.method, Kto):
        # TRL may have packed rows, or left out those whose prompt alone is too long.
        left = made.train_dataset
        known = "length" in left.column_names
        lengths = list(left["length"]) if known else [1] * len(left)
        job.order = Order(lengths, split.rows, spec.knobs.seed, group=known and not flat)
    if not reward and rank() == 0:
        job.sample = sampler(made, base.tokenizer, job)
    return made


def _resumed(folder: Path) -> Path | None:
    found = survey(folder / "checkpoints")
    for reason in found.refused:
        print(f"checkpoint not used: {reason}", flush=True)
    return found.newest.path if found.newest else None


def _is_flat(spec: JobSpec) -> bool:
    """Whether rows are laid end to end: virtual tokens and pairs need a row a line."""
    virtual = isinstance(spec.adapter, Prefix | PromptTuning | PTuning)
    return isinstance(spec.method, Sft) and not virtual and not spec.params.get("packing")


def dataset(tokenizer: Any, spec: JobSpec, given: list[dict[str, Any]]) -> Dataset:
    """Rows as TRL takes them, with their length in tokens or, for pairs, about. Raises Refused."""
    assert spec.knobs.max_length is not None
    most = spec.knobs.max_length
    if not isinstance(spec.method, Sft):
        if not any(_leaves_room(tokenizer, row, most) for row in given):
            raise Refused("No row has a prompt shorter than max_length tokens. Raise max_length.")
        chosen = _mixed(given, spec) if isinstance(spec.method, Kto) else given
        lengths = [max(1, _characters(row) // 4) for row in chosen]
        plain = [{key: value for key, value in row.items() if value is not None} for row in chosen]
        return Dataset.from_list(plain).add_column("length", lengths)  # pyright: ignore[reportCallIssue]
    found = [tokens for row in given if (tokens := rows.spoken(tokenizer, row, most))]
    if not found:
        raise Refused("No row has an answer within max_length tokens. Raise max_length.")
    columns = {
        "input_ids": [one.input_ids for one in found],
        "labels": [one.labels for one in found],
        "length": [len(one.input_ids) for one in found],
    }
    return Dataset.from_dict(columns)


def _leaves_room(tokenizer: Any, row: dict[str, Any], most: int) -> bool:
    """Whether an answer has a place after the prompt; TRL leaves out rows where it has none."""
    text = rows.render(tokenizer, row["prompt"], row.get("tools"), ask=True)
    return len(tokenizer(text, add_special_tokens=False)["input_ids"]) < most


def _mixed(given: list[dict[str, Any]], spec: JobSpec) -> list[dict[str, Any]]:
    """KTO pairs the rows of a batch with each other, so their order is fixed beforehand."""
    generator = torch.Generator().manual_seed(spec.knobs.seed)
    return [given[at] for at in torch.randperm(len(given), generator=generator).tolist()]


def _characters(row: dict[str, Any]) -> int:
    turns = [turn for value in row.values() if isinstance(value, list) for turn in value]
    return sum(len(str(turn.get("content") or "")) + 16 for turn in turns if isinstance(turn, dict))


def _split(
    spec: JobSpec, model: Any, where: bases.Device, lengths: list[int], flat: bool
) -> fit.Pass:
    config = model.config.get_text_config()
    hidden = int(config.hidden_size)
    shape = fit.Shape(
        layers=int(getattr(config, "num_hidden_layers", 1)),
        hidden=hidden,
        inner=int(getattr(config, "intermediate_size", None) or 4 * hidden),
        full=isinstance(spec.adapter, Full),
    )
    assert spec.knobs.batch is not None
    most = min(max(lengths), spec.knobs.max_length or max(lengths))
    mean = sum(lengths) / len(lengths)
    masked = flat and config._attn_implementation == "sdpa"
    return fit.plan(
        spec.knobs.batch,
        # Rows of a flat batch add up to about their mean; padded ones are all as long as one.
        (mean + most) / 2 if flat else most,
        shape,
        None if where.free is None else torch.cuda.mem_get_info()[0],
        world=world(),
        fewest=2 if isinstance(spec.method, Kto) else 1,
        most_tokens=fit.MASKED_TOKENS if masked else fit.GPU_TOKENS,
    )


def _steps(spec: JobSpec, count: int, per_update: int) -> int:
    if spec.knobs.steps is not None:
        return spec.knobs.steps
    assert spec.knobs.epochs is not None
    updates = -(-count // per_update)
    return max(1, -(-round(spec.knobs.epochs * updates * 1000) // 1000))
