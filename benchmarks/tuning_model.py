"""A Llama of random weights and any size, a tokenizer of words, and short chats for it."""

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }} {{ message['content'] }}"
    "<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)
WORDS = 4000


class Size(NamedTuple):
    """Layers, hidden and inner width, heads, heads of keys, vocabulary."""

    layers: int
    hidden: int
    inner: int
    heads: int
    keys: int
    vocabulary: int


SIZES = {
    "tiny": Size(2, 64, 128, 4, 2, 5000),
    "135m": Size(30, 576, 1536, 9, 3, 49_152),
    "1b": Size(16, 2048, 8192, 32, 8, 128_256),
    "8b": Size(32, 4096, 14_336, 32, 8, 128_256),
}


def build(folder: Path, size: Size) -> None:
    """Write the model in bfloat16, on a GPU if there is one, which is much faster."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    roles = ["user", "assistant", "system", "<unk>"]
    names = [*special, *roles, *(f"w{number}" for number in range(WORDS))]
    words = {token: number for number, token in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(special)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>",
        unk_token="<unk>", chat_template=TEMPLATE,
    ).save_pretrained(folder)  # fmt: skip
    config = LlamaConfig(
        vocab_size=size.vocabulary, hidden_size=size.hidden, intermediate_size=size.inner,
        num_hidden_layers=size.layers, num_attention_heads=size.heads,
        num_key_value_heads=size.keys, max_position_embeddings=8192, rope_theta=500_000.0,
        tie_word_embeddings=False, eos_token_id=2, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        previous = torch.get_default_dtype()
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(config)
        torch.set_default_dtype(previous)
    model.save_pretrained(folder)


def chats(number: int, seed: int) -> list[dict[str, Any]]:
    """Chats of 12 to some 700 words, half of them below 70; what is answered follows a rule."""
    chance = random.Random(seed)
    found: list[dict[str, Any]] = []
    for _ in range(number):
        asked, said = (min(350, max(6, round(chance.lognormvariate(3.3, 0.9)))) for _ in "ab")
        start = chance.randrange(50)
        question = " ".join(f"w{chance.randrange(50)}" for _ in range(asked - 1)) + f" w{start}"
        answer = " ".join(f"w{(start + at) % 50}" for at in range(said))
        found.append(
            {
                "messages": [
                    {"role": "user", "content": question},
                    {"role": "assistant", "content": answer},
                ]
            }
        )
    return found


def write_rows(path: Path, rows: list[dict[str, Any]]) -> bytes:
    """As JSONL; what was written."""
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(data)
    return data
