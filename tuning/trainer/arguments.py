"""TRL's configuration of a job: our defaults, the knobs, and what the person set by name."""

import dataclasses
from typing import Any, NamedTuple

from trl import (  # fmt: skip
    DPOConfig,
    DPOTrainer,
    KTOConfig,
    KTOTrainer,
    RewardConfig,
    RewardTrainer,
    SFTConfig,
    SFTTrainer,
)

from tuning.methods import Dpo, Kto, Method, Reward, Sft
from tuning.spec import JobSpec
from tuning.trainer.bases import Device
from tuning.trainer.fit import Pass
from tuning.trainer.refusal import Refused


class Kind(NamedTuple):
    """A method's trainer and its configuration."""

    trainer: type[Any]
    config: type[Any]


KINDS: dict[type[Method], Kind] = {
    Sft: Kind(SFTTrainer, SFTConfig),
    Dpo: Kind(DPOTrainer, DPOConfig),
    Kto: Kind(KTOTrainer, KTOConfig),
    Reward: Kind(RewardTrainer, RewardConfig),
}  # pyright: ignore[reportAssignmentType]

# What a job owns: where it writes, whom it tells, when it saves, and whose code it runs.
_OURS = {
    "output_dir", "report_to", "run_name", "project", "do_train", "do_eval", "do_predict",
    "save_strategy", "save_steps", "save_total_limit", "save_only_model", "eval_strategy",
    "eval_steps", "eval_on_start", "load_best_model_at_end", "logging_steps", "logging_strategy",
    "logging_nan_inf_filter", "resume_from_checkpoint", "trust_remote_code", "model_init_kwargs",
    "chat_template_path", "dataset_kwargs", "deepspeed", "fsdp", "fsdp_config", "local_rank",
    "ignore_data_skip", "auto_find_batch_size", "use_cpu", "ddp_backend", "remove_unused_columns",
    "seed", "data_seed", "max_steps", "num_train_epochs", "learning_rate", "max_length",
}  # fmt: skip
_OUR_PREFIXES = ("push_to", "hub_", "trackio", "dataloader_")


def settings(spec: JobSpec, where: Device, split: Pass, *, flat: bool, steps: int) -> Any:
    """The configuration that TRL is given. Raises Refused when a parameter is none of TRL's."""
    config = KINDS[type(spec.method)].config
    _check(spec.params, config)
    knobs = spec.knobs
    given: dict[str, Any] = {
        "output_dir": "checkpoints",
        "per_device_train_batch_size": split.rows,
        "per_device_eval_batch_size": split.rows,
        "gradient_accumulation_steps": split.accumulate,
        "gradient_checkpointing": split.checkpointing,
        "learning_rate": knobs.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(steps * 0.03),
        "max_steps": steps,
        "max_length": None if flat else knobs.max_length,
        "seed": knobs.seed,
        "data_seed": knobs.seed,
        "optim": "adamw_torch_fused",
        "bf16": where.dtype.itemsize == 2 and str(where.dtype) == "torch.bfloat16",
        "fp16": str(where.dtype) == "torch.float16",
        "use_cpu": where.kind == "cpu",
        "save_strategy": "no",
        "eval_strategy": "no",
        "logging_steps": 10**9,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": where.kind == "cuda",
        "ddp_find_unused_parameters": False,
    }
    if isinstance(spec.method, Sft):
        given["padding_free"] = flat
    if isinstance(spec.method, Dpo | Kto):
        given["beta"] = spec.method.beta
    try:
        return config(**(given | spec.params))
    except (TypeError, ValueError) as error:
        said = str(error).splitlines()[0][:300]
        raise Refused(f"TRL does not take these parameters ({said}). Correct --param.") from error


def _check(params: dict[str, Any], config: type[Any]) -> None:
    known = {one.name for one in dataclasses.fields(config) if one.init}
    for name in params:
        if name in _OURS or name.startswith(_OUR_PREFIXES):
            raise Refused(f"{name} belongs to the job, not to --param. Leave it out.")
        if name not in known:
            raise Refused(
                f"{name[:100]} is no parameter of TRL's {config.__name__}. Correct --param."
            )
