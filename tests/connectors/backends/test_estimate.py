"""Memory before a start, against figures known from elsewhere."""

import pytest

from connectors.backends import estimate
from connectors.backends.estimate import GIB, MIB, parameters, serving, shape_of, training, within
from tests.support.models import CONFIG

LLAMA_8B = {
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "torch_dtype": "bfloat16", "max_position_embeddings": 131072,
}  # fmt: skip
DEEPSEEK = {
    "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
    "kv_lora_rank": 512, "qk_rope_head_dim": 64, "n_routed_experts": 256, "vocab_size": 129280,
}  # fmt: skip


def test_parameters_and_cache_of_a_known_model() -> None:
    """Llama 3 8B has 8.03 billion parameters and keeps 128 KiB a token."""
    shape = shape_of(LLAMA_8B)
    assert parameters(shape) == pytest.approx(8.03e9, rel=0.002)
    parts = serving(LLAMA_8B, context=8192, concurrency=4)
    assert parts.kv_cache == 4 * 8192 * 128 * 1024
    assert parts.weights == pytest.approx(14.96 * GIB, rel=0.002)
    assert parts.total == sum(parts[:-1])
    assert estimate.context_of(shape, None) == 8192


def test_latent_attention_keeps_one_vector() -> None:
    assert shape_of(DEEPSEEK).kv == 61 * 576


def test_adapters_grow_with_rank_and_number() -> None:
    one = serving(LLAMA_8B, adapters=1, rank=16).adapters
    assert serving(LLAMA_8B, adapters=4, rank=32).adapters == 8 * one
    assert one == pytest.approx(2 * 42e6, rel=0.1)


def test_a_training_of_all_weights_takes_many_times_its_weights() -> None:
    full = training(LLAMA_8B, tokens=2048, rank=None)
    lora = training(LLAMA_8B, tokens=2048, rank=16)
    assert full.optimizer == 8 * parameters(shape_of(LLAMA_8B))
    assert lora.optimizer < full.optimizer / 100
    assert lora.weights == full.weights
    assert training(LLAMA_8B, tokens=4096, rank=16).activations == 2 * lora.activations
    kept = training(LLAMA_8B, tokens=2048, rank=16, checkpointing=False)
    assert kept.activations > lora.activations
    assert training(LLAMA_8B, tokens=1, rank=None, references=1).weights == 2 * full.weights


def test_what_is_not_known_is_named() -> None:
    assert serving({"model_type": "mystery"}).unknown == (
        "layers", "hidden size", "attention heads",
    )  # fmt: skip
    assert serving({"text_config": CONFIG}).unknown == ()


def test_a_cache_is_cut_but_never_below_one_conversation() -> None:
    parts = serving(LLAMA_8B, weight_bytes=16 * GIB, context=8192, concurrency=32)
    assert within(parts, 24 * GIB, GIB).total == 24 * GIB
    assert within(parts, 10 * GIB, GIB).kv_cache == GIB
    small = serving(CONFIG, context=512)
    assert within(small, 24 * GIB, 1 * MIB) == small
