"""What the model says now to a few prompts, told after each evaluation."""

from collections.abc import Callable
from typing import Any

import torch

from tuning.spec import Sampled
from tuning.trainer import rows
from tuning.trainer.course import Job

_MOST_TOKENS = 128
_MOST_SECONDS = 5.0


def sampler(trainer: Any, tokenizer: Any, job: Job) -> Callable[[int], None]:
    """A function of the step that asks the job's samples, greedily, and tells the answers."""

    def sample(step: int) -> None:
        model = trainer.accelerator.unwrap_model(trainer.model)
        was, attention = model.training, model.config._attn_implementation
        model.eval()
        _attend(model, "sdpa")
        try:
            for index, messages in enumerate(job.spec.samples):
                # Adapters in float32 on a base in 16 bits meet only under autocast.
                with trainer.accelerator.autocast():
                    text = answer(model, tokenizer, messages)
                job.tell(Sampled, step=step, sample=index, text=text)
        finally:
            _attend(model, attention)
            model.train(was)

    return sample


def answer(model: Any, tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """The greedy answer, of a few seconds at most."""
    text = rows.render(tokenizer, messages, None, ask=True)
    given = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)
    with torch.inference_mode():
        out = model.generate(
            **given,
            max_new_tokens=_MOST_TOKENS,
            max_time=_MOST_SECONDS,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )
    return tokenizer.decode(out[0][given["input_ids"].shape[1] :], skip_special_tokens=True)


def _attend(model: Any, name: str) -> None:
    """Rows laid end to end have an attention of their own, which knows no cache."""
    if model.config._attn_implementation != name:
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        inner.set_attn_implementation(name)
