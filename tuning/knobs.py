"""Knobs that nobody set, from the number and length of the rows; how long it will take. Pure.

Where a figure has a source it is named; the rest is what the trainers' own defaults come to.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tuning.methods import (
    Adapter,
    Dora,
    Dpo,
    Full,
    Ia3,
    Knobs,
    Kto,
    Lora,
    Method,
    Prefix,
    PromptTuning,
    PTuning,
    Reward,
    Sft,
)

# Rows seen in all passes, few or many: OpenAI's cookbook, "Data preparation and analysis for chat
# model fine-tuning".
_FEWEST_SEEN, _MOST_SEEN, _PASSES, _MOST_PASSES = 100, 25_000, 3, 25
_UPDATES = 100
_LONGEST = 8192
_STEP_OF_LENGTH = 64

_RATES: Mapping[type, float] = {
    # LoRA wants about ten times the rate of full weights (Schulman et al. 2025, "LoRA Without
    # Regret"); IA3 as in its paper; soft prompts as in PEFT's examples of each.
    Lora: 2e-4, Dora: 2e-4, Ia3: 3e-3, Prefix: 1e-2, PromptTuning: 3e-2, PTuning: 1e-3, Full: 2e-5,
}  # fmt: skip
# Preferences are learned more slowly than answers: TRL's own defaults of each method, against 2e-5.
_SLOWER: Mapping[type, float] = {Sft: 1.0, Dpo: 0.05, Kto: 0.05, Reward: 0.5}
_FEWEST_ROWS: Mapping[type, int] = {Sft: 1, Dpo: 4, Kto: 8, Reward: 4}


class Reason(NamedTuple):
    """Why a knob stands where it does: `code` and `figures` for a translated text, and English."""

    knob: str
    code: str
    figures: Mapping[str, float]

    @property
    def text(self) -> str:
        """One English sentence."""
        return _TEXTS[self.code].format(**self.figures)


_TEXTS = {
    "given": "Set by you.",
    "rate": "What this adapter usually learns well at, times {slower:g} for this method.",
    "passes": "{rows:,} rows, each seen {epochs:g} times.",
    "few": "Only {rows:,} rows, so each is seen {epochs:g} times to reach {seen:,} in all.",
    "many": "{rows:,} rows are enough to be seen {epochs:g} times.",
    "preferences": "Preferences overfit soon: {rows:,} rows are seen {epochs:g} times.",
    "updates": "So that there are about {updates:,} updates.",
    "longest": "The longest row has {longest:,} tokens.",
    "cut": "{cut:,} of {rows:,} rows are longer and are cut; the longest has {longest:,} tokens.",
}


class _Choice(NamedTuple):
    value: float
    reason: Reason


def derive(
    rows: int, tokens: Sequence[int], method: Method, adapter: Adapter, knobs: Knobs
) -> Knobs:
    """Knobs without None but `steps` and `patience`; `tokens` are the lengths of the rows."""
    chosen = _choices(rows, tokens, method, adapter, knobs)
    return knobs.model_copy(
        update={
            "learning_rate": chosen["learning_rate"].value,
            "epochs": chosen["epochs"].value,
            "batch": int(chosen["batch"].value),
            "max_length": int(chosen["max_length"].value),
        }
    )


def reasons(
    rows: int, tokens: Sequence[int], method: Method, adapter: Adapter, knobs: Knobs
) -> tuple[Reason, ...]:
    """Why `derive` chooses what it does, a knob each."""
    return tuple(
        choice.reason for choice in _choices(rows, tokens, method, adapter, knobs).values()
    )


def steps_of(rows: int, knobs: Knobs) -> int:
    """Updates of a training with derived knobs; the last update of a pass may be smaller."""
    if knobs.steps is not None:
        return knobs.steps
    assert knobs.epochs is not None
    assert knobs.batch is not None
    return max(1, math.ceil(knobs.epochs * math.ceil(rows / knobs.batch)))


def seconds_of(tokens: Sequence[int], knobs: Knobs, tokens_per_second: float) -> float:
    """How long the training takes at a known speed, without loading the model."""
    assert knobs.max_length is not None
    assert knobs.batch is not None
    kept = sum(min(length, knobs.max_length) for length in tokens)
    per_update = kept / max(1, math.ceil(len(tokens) / knobs.batch))
    return steps_of(len(tokens), knobs) * per_update / tokens_per_second


def _choices(
    rows: int, tokens: Sequence[int], method: Method, adapter: Adapter, knobs: Knobs
) -> dict[str, _Choice]:
    rows = max(1, rows)
    epochs = _given("epochs", knobs.epochs) or _epochs(rows, method)
    return {
        "learning_rate": _given("learning_rate", knobs.learning_rate) or _rate(method, adapter),
        "epochs": epochs,
        "batch": _given("batch", knobs.batch) or _batch(rows, epochs.value, method),
        "max_length": _given("max_length", knobs.max_length) or _length(tokens),
    }


def _given(knob: str, value: float | None) -> _Choice | None:
    return None if value is None else _Choice(value, Reason(knob, "given", {}))


def _rate(method: Method, adapter: Adapter) -> _Choice:
    slower = _SLOWER[type(method)]
    value = float(f"{_RATES[type(adapter)] * slower:.2g}")
    return _Choice(value, Reason("learning_rate", "rate", {"slower": slower}))


def _epochs(rows: int, method: Method) -> _Choice:
    if not isinstance(method, Sft):
        epochs = 1 if rows >= 1000 else _PASSES
        return _Choice(epochs, Reason("epochs", "preferences", {"rows": rows, "epochs": epochs}))
    epochs, code = _PASSES, "passes"
    if rows * _PASSES < _FEWEST_SEEN:
        epochs, code = min(_MOST_PASSES, max(1, _FEWEST_SEEN // rows)), "few"
    elif rows * _PASSES > _MOST_SEEN:
        epochs, code = max(1, _MOST_SEEN // rows), "many"
    figures = {"rows": rows, "epochs": epochs, "seen": rows * epochs}
    return _Choice(epochs, Reason("epochs", code, figures))


def _batch(rows: int, epochs: float, method: Method) -> _Choice:
    """The power of two, from 4 to 64 rows, that leaves about a hundred updates."""
    wanted = max(1.0, rows * epochs / _UPDATES)
    batch = min(64, max(4, 2 ** round(math.log2(wanted)), _FEWEST_ROWS[type(method)]))
    batch = max(min(batch, rows), min(_FEWEST_ROWS[type(method)], rows))
    updates = max(1, math.ceil(rows * epochs / batch))
    return _Choice(batch, Reason("batch", "updates", {"updates": updates}))


def _length(tokens: Sequence[int]) -> _Choice:
    longest = max(tokens, default=_STEP_OF_LENGTH)
    value = min(_LONGEST, math.ceil(max(longest, 1) / _STEP_OF_LENGTH) * _STEP_OF_LENGTH)
    cut = sum(1 for length in tokens if length > value)
    figures = {"longest": longest, "cut": cut, "rows": len(tokens)}
    return _Choice(value, Reason("max_length", "cut" if cut else "longest", figures))
