"""How many rows go through the model at once, from its shape and the memory that is free. Pure."""

import math
from typing import NamedTuple

_SHARE = 0.75
"""Of the free memory: the rest is for the optimizer's step, logits and fragments."""
_CPU_TOKENS = 2048
GPU_TOKENS = 32_768
MASKED_TOKENS = 8192
"""Most tokens end to end where a mask of all pairs keeps rows apart."""


class Shape(NamedTuple):
    """What decides a row's memory: layers, widths, and whether all weights have gradients."""

    layers: int
    hidden: int
    inner: int
    full: bool


class Pass(NamedTuple):
    """One forward and backward: rows, how many of them make an update, and recomputing."""

    rows: int
    accumulate: int
    checkpointing: bool


def bytes_per_token(shape: Shape) -> int:
    """What is kept for the backward pass without recomputing, in 16-bit activations.

    Per layer about 16 values of the hidden width and 5 of the inner one are kept; with adapters
    each linear layer keeps its input once more (Korthikanti et al. 2022, table 2, no dropout).
    """
    values = 16 * shape.hidden + 5 * shape.inner
    if not shape.full:
        values += 6 * shape.hidden + shape.inner
    return shape.layers * values * 2


def plan(
    batch: int,
    tokens: float,
    shape: Shape,
    free: int | None,
    *,
    world: int = 1,
    fewest: int = 1,
    most_tokens: int = GPU_TOKENS,
) -> Pass:
    """Split `batch` rows of about `tokens` tokens into passes; `free` bytes of a GPU, None on CPU.

    Activations are recomputed (slower by a third) only where not even `fewest` rows fit otherwise.
    """
    own = max(fewest, math.ceil(batch / world))
    tokens = max(1.0, tokens)
    if free is None:
        most = max(fewest, int(_CPU_TOKENS // tokens))
        return _even(own, min(own, most), fewest, checkpointing=False)
    room = free * _SHARE
    fits = int(room // (bytes_per_token(shape) * tokens))
    if fits >= fewest:
        most = max(fewest, min(fits, int(most_tokens // tokens)))
        return _even(own, min(own, most), fewest, checkpointing=False)
    kept = shape.layers * shape.hidden * 2 + bytes_per_token(shape) // max(1, shape.layers)
    most = max(fewest, min(int(room // (kept * tokens)), int(most_tokens // tokens)))
    return _even(own, min(own, most), fewest, checkpointing=True)


def _even(own: int, most: int, fewest: int, *, checkpointing: bool) -> Pass:
    """Passes of equal size, so that an update has the rows that were asked for."""
    accumulate = math.ceil(own / max(1, most))
    return Pass(max(fewest, math.ceil(own / accumulate)), accumulate, checkpointing)
