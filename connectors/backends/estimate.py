"""How much memory a model will take, from its configuration, before anything is started. Pure.

Shapes are those of a decoder of the Llama family, which most others share; what a configuration
does not say is named in `unknown`, and its part is 0.
"""

from collections.abc import Mapping
from typing import NamedTuple, cast

Config = Mapping[str, object]
GIB = 1 << 30
MIB = 1 << 20
DEFAULT_CONTEXT = 8192
"""Tokens of a conversation where nobody says more: a model may know many times that."""
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "int8": 1}


class Shape(NamedTuple):
    """The sizes that memory follows from; 0 where unknown. `kv` is numbers kept per token."""

    layers: int
    hidden: int
    intermediate: int
    vocab: int
    kv: int
    experts: int
    context: int
    tied: bool
    bytes: int
    attention: int
    unknown: tuple[str, ...] = ()


class Parts(NamedTuple):
    """Memory in bytes, part by part; `unknown` names what the configuration does not say."""

    weights: int = 0
    kv_cache: int = 0
    adapters: int = 0
    gradients: int = 0
    optimizer: int = 0
    activations: int = 0
    overhead: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """The sum of all parts."""
        return sum(cast(tuple[int, ...], self[:-1]))


def shape_of(config: Config) -> Shape:
    """Read a `config.json`, or what `gguf.as_config` made of a GGUF file."""
    inner = config.get("text_config")
    known = {**config, **cast(Config, inner)} if isinstance(inner, Mapping) else config
    layers = _first(known, "num_hidden_layers", "n_layer", "num_layers")
    hidden = _first(known, "hidden_size", "n_embd", "d_model")
    heads = _first(known, "num_attention_heads", "n_head", "num_heads")
    head = _first(known, "head_dim") or (hidden // heads if heads else 0)
    kv_heads = _first(known, "num_key_value_heads") or heads
    latent = _first(known, "kv_lora_rank")
    # DeepSeek's latent attention keeps one compressed vector and the rotary part for all heads.
    each = latent + _first(known, "qk_rope_head_dim") if latent else 2 * kv_heads * head
    named = {"layers": layers, "hidden size": hidden, "attention heads": heads}
    return Shape(
        layers=layers,
        hidden=hidden,
        intermediate=_first(known, "moe_intermediate_size", "intermediate_size", "n_inner")
        or 4 * hidden,
        vocab=_first(known, "vocab_size"),
        kv=layers * each,
        experts=_first(known, "n_routed_experts", "num_local_experts", "num_experts") or 1,
        context=_first(known, "max_position_embeddings", "n_positions", "n_ctx"),
        tied=bool(known.get("tie_word_embeddings", False)),
        bytes=_BYTES.get(str(known.get("dtype") or known.get("torch_dtype")), 2),
        attention=hidden * (2 * heads * head + 2 * kv_heads * head),
        unknown=tuple(name for name, value in named.items() if not value),
    )


def parameters(shape: Shape) -> int:
    """Numbers in the weights: embeddings, and per block attention, gate, up and down."""
    block = shape.attention + 3 * shape.hidden * shape.intermediate * shape.experts
    return shape.layers * block + shape.vocab * shape.hidden * (1 if shape.tied else 2)


def adapter_parameters(shape: Shape, rank: int) -> int:
    """Numbers of one LoRA adapter beside all linear layers, r (in + out) each (Hu et al. 2021)."""
    attention = 4 * 2 * shape.hidden
    mlp = 3 * (shape.hidden + shape.intermediate) if shape.experts == 1 else 0
    return shape.layers * rank * (attention + mlp)


def serving(
    config: Config,
    *,
    weight_bytes: int | None = None,
    context: int | None = None,
    concurrency: int = 1,
    adapters: int = 0,
    rank: int = 0,
    overhead: int = 0,
) -> Parts:
    """What a server takes: keys and values in 16 bits for `concurrency` full conversations."""
    shape = shape_of(config)
    tokens = context_of(shape, context) * concurrency
    return Parts(
        weights=weight_bytes or parameters(shape) * shape.bytes,
        kv_cache=shape.kv * 2 * tokens,
        adapters=adapters * adapter_parameters(shape, rank) * 2,
        overhead=overhead,
        unknown=shape.unknown,
    )


def training(
    config: Config,
    *,
    tokens: int,
    rank: int | None,
    weight_bytes: int | None = None,
    bytes_each: int | None = None,
    checkpointing: bool = True,
    references: int = 0,
    overhead: int = GIB,
) -> Parts:
    """What a training takes; `tokens` are those of one step on one device.

    `rank` None trains all weights. Adam keeps two moments in 32 bits (Kingma & Ba 2014); a block's
    activations are 34 bytes per token and hidden number, without the quadratic part that
    flash attention does not keep (Korthikanti et al. 2022, equation 2), or 2 with checkpointing,
    beside one whole block; the logits are kept twice in 32 bits. `references` counts further
    copies of the weights, such as the one that a full DPO compares with.
    """
    shape = shape_of(config)
    each = bytes_each or shape.bytes
    weights = weight_bytes or parameters(shape) * each
    trained = parameters(shape) if rank is None else adapter_parameters(shape, rank)
    per_block = 34 * shape.hidden * tokens
    kept = 2 * shape.hidden * tokens * shape.layers + per_block
    return Parts(
        weights=weights * (1 + references),
        adapters=0 if rank is None else trained * 4,
        gradients=trained * (each if rank is None else 4),
        optimizer=trained * 8,
        activations=(kept if checkpointing else per_block * shape.layers)
        + 8 * shape.vocab * tokens,
        overhead=overhead,
        unknown=shape.unknown,
    )


def context_of(shape: Shape, wanted: int | None) -> int:
    """Tokens of a conversation: what is wanted, else the model's own up to a default."""
    return wanted or min(shape.context or DEFAULT_CONTEXT, DEFAULT_CONTEXT)


def within(parts: Parts, limit: int, one: int) -> Parts:
    """The parts with a KV cache cut to `limit` bytes in all, but never below `one` conversation."""
    room = limit - (parts.total - parts.kv_cache)
    return parts._replace(kv_cache=min(parts.kv_cache, max(room, min(one, parts.kv_cache))))


def _first(config: Config, *names: str) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return int(value)
    return 0
