"""Model files made by hand: small, whole, and easy to break."""

import json
import struct
from pathlib import Path

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "dtype": "bfloat16",
}


def safetensors(tensors: dict[str, list[int]] | None = None) -> bytes:
    """A file of BF16 zeros with these shapes."""
    head: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape in (tensors or {"a.weight": [4, 4]}).items():
        size = 2
        for side in shape:
            size *= side
        head[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def folder(place: Path, **config: object) -> Path:
    """A Hugging Face folder that may be loaded."""
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps({**CONFIG, **config}))
    (place / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"auto_map": 3}}}))
    (place / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}"})
    )
    (place / "merges.txt").write_text("#version: 0.2\nc o\nco m\n")
    (place / "model.safetensors").write_bytes(safetensors())
    return place


def adapter(place: Path) -> Path:
    """A LoRA adapter that may be loaded."""
    place.mkdir(parents=True)
    (place / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 8}))
    (place / "adapter_model.safetensors").write_bytes(safetensors())
    return place


def gguf(facts: dict[str, object]) -> bytes:
    """A head of a GGUF file with texts and numbers, and no tensors."""
    body = struct.pack("<4sIQQ", b"GGUF", 3, 0, len(facts))
    for key, value in facts.items():
        body += struct.pack("<Q", len(key)) + key.encode()
        if isinstance(value, str):
            text = value.encode()
            body += struct.pack("<IQ", 8, len(text)) + text
        else:
            assert isinstance(value, int)
            body += struct.pack("<II", 4, value)
    return body
