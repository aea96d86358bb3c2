"""What the model says to a few prompts, greedily: while it learns, and as it is when it ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tuning.spec import Answered, Reference, Sampled
from tuning.trainer import rows
from tuning.trainer.course import Job

REFERENCE_TOKENS = 32
"""A server that answers otherwise does so within the first few tokens."""
_MOST_TOKENS = 128
_MOST_SECONDS = 5.0
_REFERENCE_SECONDS = 120.0


def sampler(trainer: Any, tokenizer: Any, job: Job) -> Callable[[int], None]:
    """A function of the step that asks the job's samples, and tells the answers."""

    def sample(step: int) -> None:
        with _speaking(trainer) as model:
            for index, messages in enumerate(job.spec.samples):
                said = _answer(model, tokenizer, messages, _MOST_TOKENS)
                job.tell(Sampled, step=step, sample=index, text=said.text)

    return sample


def reference(trainer: Any, tokenizer: Any, job: Job) -> Reference:
    """Its answers to the job's `parity` prompts, token by token; on a slow machine to fewer."""
    found: list[Answered] = []
    until = time.monotonic() + _REFERENCE_SECONDS
    with _speaking(trainer) as model:
        for messages in job.spec.parity:
            if time.monotonic() < until:
                found.append(_answer(model, tokenizer, messages, REFERENCE_TOKENS))
        return Reference(end_ids=_end_ids(model, tokenizer), answers=tuple(found))


@contextmanager
def _speaking(trainer: Any) -> Iterator[Any]:
    """The model as it answers: without dropout, and with an attention that knows a cache.

    Adapters in float32 on a base in 16 bits meet only under autocast.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    was, attention = model.training, model.config._attn_implementation
    model.eval()
    _attend(model, "sdpa")
    try:
        with trainer.accelerator.autocast(), torch.inference_mode():
            yield model
    finally:
        _attend(model, attention)
        model.train(was)


def _answer(model: Any, tokenizer: Any, messages: list[dict[str, str]], most: int) -> Answered:
    """The greedy answer, of a few seconds at most."""
    text = rows.render(tokenizer, messages, None, ask=True)
    given = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)
    out = model.generate(
        **given,
        max_new_tokens=most,
        max_time=_MOST_SECONDS,
        do_sample=False,
        pad_token_id=tokenizer.pad_token_id,
        return_dict_in_generate=True,
        output_logits=True,
    )
    asked, whole = given["input_ids"][0].tolist(), out.sequences[0].tolist()
    answer = whole[len(asked) :]
    best = (logits[0].float().topk(2).values.tolist() for logits in out.logits)
    return Answered(
        messages=messages,
        prompt_ids=tuple(asked),
        answer_ids=tuple(answer),
        text=tokenizer.decode(answer, skip_special_tokens=True),
        margins=tuple(round(first - second, 4) for first, second in best),
    )


def _end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    ends = model.generation_config.eos_token_id
    found = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}
    return tuple(sorted(one for one in found if one is not None))


def _attend(model: Any, name: str) -> None:
    """Rows laid end to end have an attention of their own, which knows no cache."""
    if model.config._attn_implementation != name:
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        inner.set_attn_implementation(name)
