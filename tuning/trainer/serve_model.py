"""A base and one adapter as PEFT runs them, answering one call after the other."""

import secrets
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList
from transformers.utils import logging

from core.errors import Invalid
from tuning.checkpoints import verify
from tuning.trainer import bases, rows
from tuning.trainer.refusal import Refused
from tuning.trainer.serve_text import Text
from tuning.trainer.serve_wire import Ask, Bad, Begun, ChatAsk, End, Piece, TextAsk

Tell = Callable[[Begun | Piece | End], None]


class Model:
    """The model of `base` (a folder or a GGUF file) with what `adapter`, if any, taught it.

    `context` is in tokens, of which virtual ones take their part. Raises Refused.
    """

    def __init__(self, base: Path, adapter: Path | None, cache: Path, context: int) -> None:
        logging.disable_progress_bar()
        self._where = bases.device()
        kind = bases.Kind(reward=False, full=False, bits=16, flat=False)
        loaded = bases.load(base, cache, self._where, kind)
        self._tokenizer = loaded.tokenizer
        known = loaded.model.generation_config
        ends = known.eos_token_id if known.eos_token_id is not None else []
        self._ends = {loaded.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}
        self._penalty = known.repetition_penalty or 1.0
        # What a maker recommends for sampling is asked for by nobody here.
        loaded.model.generation_config = GenerationConfig()
        whole: Any = loaded.model if adapter is None else _with(loaded.model, adapter)
        self._model = whole.eval()
        settings = getattr(self._model, "peft_config", {}).values()
        virtual = sum(getattr(one, "num_virtual_tokens", None) or 0 for one in settings)
        most = getattr(loaded.model.config, "max_position_embeddings", None) or context
        self.context = min(context, most) - virtual

    def answer(self, ask: Ask, tell: Tell, gone: Callable[[], bool]) -> None:
        """Greedy at a temperature of 0. Raises Bad."""
        ids = self._ids(ask)
        room = self.context - len(ids)
        if room < 1:
            raise Bad(
                f"This model's maximum context length is {self.context} tokens, and the prompt has "
                f"{len(ids)}. Shorten it.",
                code="context_length_exceeded",
            )
        tell(Begun(ids))
        most = min(room, ask.most or room)
        follow = _Follow(Text(self._decode, ask.stops, tell), self._ends, gone)
        torch.manual_seed(secrets.randbits(63) if ask.seed is None else ask.seed)
        given = torch.tensor([ids], device=self._where.kind)
        with torch.inference_mode(), self._cast():
            self._model.generate(
                input_ids=given,
                attention_mask=torch.ones_like(given),
                generation_config=self._settings(ask, most),
                stopping_criteria=StoppingCriteriaList([follow]),
            )
        follow.text.flush()
        tell(End("stop" if follow.ended else "length"))

    def _ids(self, ask: Ask) -> list[int]:
        if isinstance(ask, ChatAsk):
            turns = [turn.model_dump(exclude_none=True) for turn in ask.messages]
            try:
                text = rows.render(self._tokenizer, turns, None, ask=True)
            except Refused as error:
                raise Bad(str(error), param="messages") from error
            return self._tokenizer(text, add_special_tokens=False)["input_ids"]
        assert isinstance(ask, TextAsk)
        if isinstance(ask.prompt, str):
            ids = self._tokenizer(ask.prompt)["input_ids"]
        else:
            ids = ask.prompt
        words = self._model.config.vocab_size
        if not ids or any(not 0 <= one < words for one in ids):
            raise Bad("The prompt is empty, or has tokens that are none.", param="prompt")
        return ids

    def _settings(self, ask: Ask, most: int) -> GenerationConfig:
        temperature = 1.0 if ask.temperature is None else ask.temperature
        fixed: dict[str, Any] = {
            "max_new_tokens": most,
            "eos_token_id": sorted(self._ends),
            "pad_token_id": self._tokenizer.pad_token_id,
            "repetition_penalty": ask.repetition_penalty or self._penalty,
        }
        if temperature == 0:
            return GenerationConfig(do_sample=False, **fixed)
        return GenerationConfig(
            do_sample=True, temperature=temperature, top_p=ask.top_p or 1.0,
            top_k=max(0, ask.top_k or 0), min_p=ask.min_p or None, **fixed,
        )  # fmt: skip

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def _cast(self) -> Any:
        """Adapters in float32 on a base in 16 bits meet only under autocast."""
        on_gpu = self._where.kind == "cuda"
        return torch.autocast("cuda", self._where.dtype) if on_gpu else nullcontext()


class _Follow(StoppingCriteria):
    """Hears of each token, and says when to stop: at its end, a text, or when nobody listens."""

    def __init__(self, text: Text, ends: set[int], gone: Callable[[], bool]) -> None:
        self.text = text
        self.ended = False
        self._ends, self._gone = ends, gone

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        token = int(input_ids[0, -1])
        self.ended = self.text.add(token, last=token in self._ends)
        stop = self.ended or self._gone()
        return torch.full((1,), stop, dtype=torch.bool, device=input_ids.device)


def _with(model: Any, adapter: Path) -> Any:
    """PEFT's model; what it reads is sealed, and safetensors. Raises Refused."""
    try:
        verify(adapter)
    except Invalid as error:
        raise Refused(f"The adapter is refused: {error.message}") from error
    try:
        return PeftModel.from_pretrained(model, str(adapter))
    except (ValueError, KeyError, RuntimeError) as error:
        said = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise Refused(f"The adapter does not fit its base ({said}). Tune it again.") from error
