"""Adapters of the tiny model with weights at random, as jobs leave them; what they answer.

`python -m tests.support.tiny_adapters FOLDER`, in the trainer's Python: each folder below FOLDER
with a `spec.json` gets its `adapter/`, and `expected.json` with a prompt's ids and the greedy
answer's. `python -m tests.support.same_logits` compares with what was merged. A model in
`FOLDER/loud` is changed first, so that it says more than one word.
"""

import json
import sys
from pathlib import Path
from typing import Any

PROMPT = [{"role": "user", "content": "what is item 3?"}]
NEW_TOKENS = 24


def main() -> int:
    """All of them."""
    loud = Path(sys.argv[1]) / "loud"
    if loud.is_dir():
        raise_voice(loud)
    for spec in sorted(Path(sys.argv[1]).glob("*/spec.json")):
        make(spec.parent)
    return 0


def make(job: Path) -> None:
    """One job's adapter: large enough to change what the model says."""
    import torch
    from peft import get_peft_model  # pyright: ignore[reportMissingImports]

    from tuning.checkpoints import seal
    from tuning.spec import JobSpec
    from tuning.trainer import adapters

    spec = JobSpec.model_validate_json((job / "spec.json").read_bytes())
    tokenizer, model = load(Path(spec.base))
    settings = adapters.settings(spec.adapter, model, spec.base, reward=False)
    assert settings is not None
    torch.manual_seed(1)
    tuned: Any = get_peft_model(model, settings).eval()
    with torch.no_grad():
        for name, part in tuned.named_parameters():
            if part.requires_grad and "magnitude" not in name:
                part.add_(torch.randn_like(part) * 0.3)
    tuned.save_pretrained(job / "adapter", save_embedding_layers=False)
    (job / "adapter" / "README.md").unlink(missing_ok=True)
    seal(job / "adapter", 1)
    said = {"prompt": prompt_ids(tokenizer), "answer": greedy(tokenizer, tuned)}
    (job / "expected.json").write_text(json.dumps(said))


def raise_voice(folder: Path) -> None:
    """Weights as small as they are made leave little to what was said before."""
    import torch

    _, model = load(folder)
    with torch.no_grad():
        for part in model.parameters():
            part.mul_(8 if part.dim() > 1 else 1)
    model.save_pretrained(folder)


def load(folder: Path) -> tuple[Any, Any]:
    """A tokenizer and a model in 32 bits."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options: dict[str, Any] = {"dtype": torch.float32, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(folder, **options).eval()
    return AutoTokenizer.from_pretrained(folder), model


def prompt_ids(tokenizer: Any) -> list[int]:
    """As the trainer and every server tokenize it."""
    text = tokenizer.apply_chat_template(PROMPT, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def greedy(tokenizer: Any, model: Any) -> list[int]:
    """PEFT's own answer, token by token of the largest logit."""
    import torch

    given = torch.tensor([prompt_ids(tokenizer)])
    with torch.inference_mode():
        out = model.generate(
            input_ids=given, attention_mask=torch.ones_like(given), do_sample=False,
            max_new_tokens=NEW_TOKENS, pad_token_id=0,
        )  # fmt: skip
    return out[0][given.shape[1] :].tolist()


if __name__ == "__main__":
    sys.exit(main())
