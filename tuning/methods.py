"""How a model is trained: methods and adapters, each its settings as one class. Pure.

The trainer's own environment imports this too, so nothing but Pydantic stands above it. Defaults of
None are derived from the data (`tuning.knobs`).
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

RowKind = Literal["sft", "dpo", "kto"]
"""What a row is of; `rows` of a method are those that it learns from."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sft(_Settings):
    """Supervised fine-tuning: the model learns the answers of the rows (good or corrected)."""

    rows: ClassVar[RowKind] = "sft"
    kind: Literal["sft"] = "sft"


class Dpo(_Settings):
    """Direct preference optimization (Rafailov et al. 2023): preferred against rejected answers."""

    rows: ClassVar[RowKind] = "dpo"
    kind: Literal["dpo"] = "dpo"
    beta: float = Field(default=0.1, gt=0, le=10, description="how near it stays to the base")


class Kto(_Settings):
    """Kahneman-Tversky optimization (Ethayarajh et al. 2024): single answers with thumbs."""

    rows: ClassVar[RowKind] = "kto"
    kind: Literal["kto"] = "kto"
    beta: float = Field(default=0.1, gt=0, le=10, description="how near it stays to the base")


class Reward(_Settings):
    """A reward model (Bradley-Terry): a number for an answer, learned from preferences."""

    rows: ClassVar[RowKind] = "dpo"
    kind: Literal["reward"] = "reward"


Method = Annotated[Sft | Dpo | Kto | Reward, Field(discriminator="kind")]


class _LowRank(_Settings):
    rank: int = Field(default=16, ge=1, le=512)
    alpha: int | None = Field(default=None, ge=1, le=2048, description="None: twice the rank")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    bits: Literal[4, 16] = Field(default=16, description="4: the base in NF4, where it runs")


class Lora(_LowRank):
    """Low-rank adaptation of all linear layers (Hu et al. 2021)."""

    kind: Literal["lora"] = "lora"


class Dora(_LowRank):
    """Weight-decomposed low-rank adaptation (Liu et al. 2024)."""

    kind: Literal["dora"] = "dora"


class Ia3(_Settings):
    """Learned scales of keys, values and feed-forward activations (Liu et al. 2022)."""

    kind: Literal["ia3"] = "ia3"


class Prefix(_Settings):
    """Learned keys and values before every layer's own (Li and Liang 2021)."""

    kind: Literal["prefix"] = "prefix"
    tokens: int = Field(default=20, ge=1, le=512)


class PromptTuning(_Settings):
    """Learned embeddings before the prompt (Lester et al. 2021)."""

    kind: Literal["prompt"] = "prompt"
    tokens: int = Field(default=20, ge=1, le=512)
    text: str | None = Field(default=None, max_length=4096, description="to begin from")


class PTuning(_Settings):
    """Embeddings before the prompt, made by a small network (Liu et al. 2021)."""

    kind: Literal["p_tuning"] = "p_tuning"
    tokens: int = Field(default=20, ge=1, le=512)
    hidden: int = Field(default=128, ge=1, le=8192)


class Full(_Settings):
    """All weights."""

    kind: Literal["full"] = "full"


Adapter = Annotated[
    Lora | Dora | Ia3 | Prefix | PromptTuning | PTuning | Full, Field(discriminator="kind")
]


class Knobs(_Settings):
    """What is worth turning; None is derived from the data. Lengths in tokens, batch in rows."""

    learning_rate: float | None = Field(default=None, gt=0, le=1)
    epochs: float | None = Field(default=None, gt=0, le=1000)
    steps: int | None = Field(default=None, ge=1, le=10_000_000, description="instead of epochs")
    batch: int | None = Field(default=None, ge=1, le=65_536, description="rows an update")
    max_length: int | None = Field(default=None, ge=16, le=1 << 20)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    patience: int | None = Field(
        default=None, ge=1, le=1000, description="evaluations without gain before an early stop"
    )
