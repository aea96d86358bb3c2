"""Tables and settings of backends: servers that hold a model of our own."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic import Field as FormField
from sqlalchemy import JSON, Column
from sqlmodel import Field

from core.clock import utcnow
from core.database import Base
from core.types import ExactText, Moment

Kind = Literal["llamacpp", "vllm", "peft"]
"""`peft`: whole weights, or a base with one adapter of any kind, by the trainer's libraries; slower
than vLLM, for what that cannot serve or where it is not installed."""
State = Literal["stopped", "queued", "loading", "ready", "failed"]


class BackendSettings(BaseModel):
    """All that a start of a backend needs; with `base_url` it runs elsewhere and is only watched.

    Memory is in GiB, `idle_minutes` 0 never stops it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    source: str = FormField(description="a GGUF file, a Hugging Face folder or name")
    adapter: str | None = FormField(
        default=None, description="of peft, or none: its folder, below `tuning` of the data"
    )
    base_url: str | None = FormField(default=None, description="of a server that runs already")
    api_key_env: str | None = None
    gpu_memory: float | None = FormField(default=None, gt=0, le=10_000)
    gpu: str | None = FormField(default=None, description="part of the name of a kind of GPU")
    lora: bool = False
    max_adapters: int = FormField(default=8, ge=1, le=256)
    max_rank: int = FormField(default=64, ge=1, le=512)
    context: int | None = FormField(default=None, ge=128, le=1 << 24, description="tokens")
    concurrency: int = FormField(default=32, ge=1, le=1024)
    idle_minutes: float = FormField(default=0, ge=0, le=10_080)
    params: dict[str, Any] = FormField(default={}, description="sent with every call")


class Backend(Base, table=True):
    """A backend: what is asked of it (`wanted`) and what it is, as its watcher last saw it.

    `adapters` are the names of the adapters that its server holds, `asked_adapters` the folders of
    those that it is to hold, by name.
    """

    __tablename__ = "backends"
    name: str = Field(primary_key=True, max_length=128)
    settings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    wanted: str = Field(default="stopped", description="running or stopped")
    state: str = Field(default="stopped", description="a `State`")
    reason: str | None = Field(default=None, sa_column=Column(ExactText))
    progress: float | None = Field(default=None, description="share of the loading, if known")
    owner: str | None = Field(default=None, description="machine and data folder that run it")
    base_url: str | None = Field(default=None, description="where it answers now")
    pid: int | None = None
    restarts: int = 0
    figures: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    adapters: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    asked_adapters: dict[str, str] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False)
    )
    used_at: datetime | None = Field(default=None, sa_type=Moment)
    asked_at: datetime | None = Field(
        default=None, sa_type=Moment, description="place in the queue"
    )
    seen_at: datetime | None = Field(default=None, sa_type=Moment)
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
