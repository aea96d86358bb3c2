"""How far what was merged is from base and adapter: `python -m tests.support.same_logits FOLDER`.

Each job below FOLDER that has `merged/` gets `logits.json`: the largest difference of a logit, and
the one that the adapter makes, which tells that the comparison could fail.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """All of them."""
    for merged in sorted(Path(sys.argv[1]).glob("*/merged")):
        compare(merged.parent)
    return 0


def compare(job: Path) -> None:
    """One job."""
    from peft import PeftModel  # pyright: ignore[reportMissingImports]

    from tests.support.tiny_adapters import load, prompt_ids

    tokenizer, base = load(Path(json.loads((job / "spec.json").read_bytes())["base"]))
    ids = prompt_ids(tokenizer)
    bare = logits(base, ids)
    tuned = logits(PeftModel.from_pretrained(base, str(job / "adapter")).eval(), ids)
    again, whole = load(job / "merged")
    assert prompt_ids(again) == ids
    found = {
        "merged": float((logits(whole, ids) - tuned).abs().max()),
        "adapter": float((bare - tuned).abs().max()),
        "dtype": json.loads((job / "merged" / "config.json").read_bytes())["dtype"],
    }
    (job / "logits.json").write_text(json.dumps(found))


def logits(model: Any, ids: list[int]) -> Any:
    """Shape (tokens, words)."""
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0].float()


if __name__ == "__main__":
    sys.exit(main())
