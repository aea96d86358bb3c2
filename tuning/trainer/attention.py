"""Attention over rows laid end to end, each seeing itself alone, with what torch itself brings."""

import math
from importlib.util import find_spec
from inspect import signature
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface

NAME = "promptstone_varlen"
# Plain causal attention, as the kernel computes it: no soft cap, no sinks, no linear layers.
_PLAIN = {"llama", "mistral", "qwen2", "qwen3", "smollm3", "olmo2", "granite"}
_MOST_WIDTH = 256


def choose(config: Any, kind: str, dtype: torch.dtype) -> str:
    """Which attention a model is loaded with; on a CPU the mask keeps rows apart."""
    if kind != "cuda" or dtype is torch.float32 or torch.cuda.get_device_capability()[0] < 8:
        return "sdpa"
    if find_spec("flash_attn") is not None:
        return "flash_attention_2"
    if config.model_type not in _PLAIN or find_spec("torch.nn.attention.varlen") is None:
        return "sdpa"
    heads = getattr(config, "num_attention_heads", 1)
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    if width > _MOST_WIDTH or width % 8:
        return "sdpa"
    AttentionInterface.register(NAME, _forward)
    AttentionMaskInterface.register(NAME, _no_mask)
    return NAME


def _no_mask(*_: Any, **__: Any) -> None:
    """The kernel is told where rows begin; a mask of all pairs is never made."""


def _forward(
    module: torch.nn.Module,  # noqa: ARG001
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Shapes (1, heads, tokens, width) in, (1, tokens, heads, width) out."""
    from torch.nn.attention.varlen import varlen_attn

    if cu_seq_lens_q is None or max_length_q is None or query.shape[0] != 1:
        raise RuntimeError("rows are laid end to end for this attention")
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    # Norms in float32 leave their type behind; the kernel knows 16 bits alone.
    wanted = value.dtype if value.dtype is not torch.float32 else torch.bfloat16
    query, key, value = (part[0].transpose(0, 1).to(wanted) for part in (query, key, value))
    if scaling is not None and not math.isclose(scaling, query.shape[-1] ** -0.5):
        query = query * (scaling * query.shape[-1] ** 0.5)
    window = (-1, 0) if sliding_window is None else (sliding_window - 1, 0)
    # Releases of torch before 2.11 know causal attention by another name, and no window.
    named = "window_size" in signature(varlen_attn).parameters
    causal: Any = {"window_size": window} if named else {"is_causal": True}
    starts, most = cu_seq_lens_q, max_length_q
    out: Any = varlen_attn(query, key, value, starts, starts, most, most, **causal)
    return out[None], None
