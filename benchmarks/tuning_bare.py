"""A TRL script as its documentation has it: `python -m benchmarks.tuning_bare SETTINGS.json`.

With `same` it is given the settings that our job chose (types, attention, rows a pass), else TRL's
own defaults but for rate, updates and rows an update. Prints one line of JSON at its end.
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from peft.helpers import disable_input_dtype_casting
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from tuning.trainer import attention
from tuning.trainer.bases import device
from tuning.trainer.rows import spoken


class Clock(TrainerCallback):
    """When each update ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.time())


def tokens_of(tokenizer: Any, path: Path, most: int) -> Dataset:
    """Rows as token ids with labels, the same for every subject."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found = [one for row in rows if (one := spoken(tokenizer, row, most))]
    return Dataset.from_dict(
        {"input_ids": [one.input_ids for one in found], "labels": [one.labels for one in found]}
    )


def held_out_loss(model: Any, data: Dataset) -> float:
    """Nats a learned token, row by row, so that no way of batching counts."""
    model.eval()
    # One row alone needs no attention that keeps rows apart, and that one takes no other.
    model.get_base_model().set_attn_implementation("sdpa")
    total = count = 0.0
    with torch.inference_mode():
        for row in data:
            ids = torch.tensor([row["input_ids"]], device=model.device)
            labels = torch.tensor([row["labels"]], device=model.device)
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
            wanted = labels[:, 1:]
            loss = torch.nn.functional.cross_entropy(
                logits.transpose(1, 2), wanted, ignore_index=-100, reduction="sum"
            )
            total, count = total + loss.item(), count + int((wanted != -100).sum())
    return total / max(count, 1)


def measure(given: dict[str, Any]) -> None:
    """The held-out loss of an adapter that a job of ours left; prints it."""
    where = device()
    model: Any = AutoModelForCausalLM.from_pretrained(given["base"], dtype=where.dtype)
    model = PeftModel.from_pretrained(model.to(where.kind), given["adapter"])
    tokenizer = AutoTokenizer.from_pretrained(given["base"])
    data = tokens_of(tokenizer, Path(given["held_out"]), given["max_length"])
    print(json.dumps({"loss": held_out_loss(model, data)}))


def main() -> None:
    """Train, measure, print."""
    given = json.loads(Path(sys.argv[1]).read_text())
    if "adapter" in given:
        measure(given)
        return
    same, where = given["same"], device()
    tokenizer = AutoTokenizer.from_pretrained(given["base"])
    options: dict[str, Any] = {}
    chosen: dict[str, Any] = {
        "per_device_train_batch_size": given["batch"], "save_strategy": "no",
    }  # fmt: skip
    if same:
        config = AutoConfig.from_pretrained(given["base"])
        options = {
            "dtype": where.dtype,
            "attn_implementation": attention.choose(config, where.kind, where.dtype),
        }
        chosen = {
            "per_device_train_batch_size": given["rows"], "padding_free": True, "max_length": None,
            "gradient_accumulation_steps": given["accumulate"],
            "gradient_checkpointing": given["checkpointing"],
            "save_strategy": "steps", "save_steps": given["every"], "save_total_limit": 2,
        }  # fmt: skip
    else:
        options = {"dtype": torch.float32}
    if where.kind == "cuda":
        options["device_map"] = {"": 0}
    model = AutoModelForCausalLM.from_pretrained(given["base"], **options)
    lora = LoraConfig(
        task_type="CAUSAL_LM", r=given["rank"], lora_alpha=2 * given["rank"],
        target_modules="all-linear",
    )  # fmt: skip
    clock = Clock()
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=given["out"], max_steps=given["steps"], learning_rate=given["learning_rate"],
            lr_scheduler_type="cosine", warmup_steps=round(given["steps"] * 0.03),
            report_to="none", seed=0, disable_tqdm=True,
            bf16=where.kind == "cuda", use_cpu=where.kind == "cpu", **chosen,
        ),
        train_dataset=tokens_of(tokenizer, Path(given["train"]), given["max_length"]),
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[clock],
    )  # fmt: skip
    with disable_input_dtype_casting(trainer.model, active=same and where.kind == "cuda"):
        trainer.train()
    held_out = tokens_of(tokenizer, Path(given["held_out"]), given["max_length"])
    loss = held_out_loss(trainer.model, held_out)
    peak = torch.cuda.max_memory_allocated() / 2**30 if where.kind == "cuda" else math.nan
    print(json.dumps({"ends": clock.ends, "loss": loss, "peak_gb": peak}))


if __name__ == "__main__":
    main()
