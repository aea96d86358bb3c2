"""What an app is made of, and what is only how it is run.

`AppSettings` is all that changes an answer: a release freezes it. `Operations` never do: they are
live, and changing them makes no release.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.guards import Guard

AppKind = Literal["completion", "chat", "rag"]
Figure = Literal["error_rate", "latency_p95_ms", "cost_day_usd", "share_good"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KnowledgeUse(_Settings):
    """Which base an app reads from; a release pins its newest snapshot.

    `settings` are fields of SearchSettings that differ from those saved with the base. `query`
    None finds the prompt's question itself.
    """

    kb: str
    settings: dict[str, Any] = {}
    query: str | None = None
    context: str = "context"


class Pinned(_Settings):
    """An answer that a person wrote for a known question; the model is not asked.

    `exact` compares texts without case, marks at the ends and runs of blanks; `similar` compares
    the packaged embedder's cosine with `threshold`.
    """

    question: Annotated[str, Field(min_length=1, max_length=4000)]
    answer: Annotated[str, Field(min_length=1, max_length=100_000)]
    match: Literal["exact", "similar"] = "exact"
    threshold: Annotated[float, Field(ge=0.5, le=1)] = 0.9


class AppSettings(_Settings):
    """An app's draft. `prompt` is NAME@REF; references are resolved when a release is made.

    `history`: who keeps the turns of a chat, the client or we (per conversation id). `repair`:
    whether an answer against the output schema is asked for once more.
    """

    kind: AppKind
    prompt: str
    model: str
    fallbacks: Annotated[tuple[str, ...], Field(max_length=5)] = ()
    params: dict[str, Any] = {}
    knowledge: KnowledgeUse | None = None
    history: Literal["client", "server"] = "client"
    guards: Annotated[tuple[Guard, ...], Field(max_length=20)] = ()
    pinned: Annotated[tuple[Pinned, ...], Field(max_length=1000)] = ()
    repair: bool = True


class Alert(_Settings):
    """A web address that is told once a window when a figure passes its bound.

    `error_rate` and `share_good` are shares (0 to 1), of at least `least` calls or ratings.
    """

    figure: Figure
    bound: Annotated[float, Field(ge=0)]
    window_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    least: Annotated[int, Field(ge=1)] = 20
    url: Annotated[str, Field(max_length=2000)]


class JudgedSample(_Settings):
    """A judge on a share of the traffic, within a budget of its own a day."""

    model: str
    rubric: Annotated[str, Field(max_length=10_000)] = ""
    share: Annotated[float, Field(gt=0, le=1)] = 0.05
    budget_day: Annotated[Decimal | None, Field(gt=0)] = None


class FailedSet(_Settings):
    """The data set of known failures that is replayed before a promotion."""

    dataset: str
    evaluators: tuple[str, ...] = ()


class Operations(_Settings):
    """How an app is run and watched; none of it changes an answer."""

    log_content: bool = True
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 90
    gpu_hour_usd: Annotated[Decimal | None, Field(ge=0)] = None
    judged: JudgedSample | None = None
    failed_set: FailedSet | None = None
    alerts: Annotated[tuple[Alert, ...], Field(max_length=20)] = ()
