"""Tables of tuning jobs, what they told, and the adapters that they left."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index
from sqlmodel import Field

from core.clock import new_id, utcnow
from core.database import Base
from core.types import ExactText, Moment
from evalsets.models import Run


class TuningJob(Base, table=True):
    """A training: `manifest` is a `tuning.manifest.Manifest`, frozen when it is started."""

    __tablename__ = "tuning_jobs"
    id: str = Field(default_factory=new_id, primary_key=True)
    name: str = Field(unique=True, max_length=128)
    manifest: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    status: str = Field(default="queued", index=True, description="a `tuning.manifest.Status`")
    wanted: str | None = Field(default=None, description="stop or cancel, asked of the owner")
    reason: str | None = Field(default=None, sa_column=Column(ExactText))
    step: int = 0
    steps: int = 0
    eval_loss: float | None = None
    tokens_per_second: float | None = None
    peak_memory_gb: float | None = None
    checkpoint: str | None = Field(default=None, description="the last complete one, by name")
    seconds: float = 0
    events: int = Field(default=0, description="bytes of the event file that are taken over")
    result: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    parity: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    proof_run: str | None = Field(default=None, foreign_key=f"{Run.__tablename__}.id")
    serving: dict[str, Any] | None = Field(
        default=None,
        sa_column=Column(JSON(none_as_null=True)),
        description="a `tuning.serving.Serving`",
    )
    model: str | None = Field(default=None, description="the model that it was published as")
    backend: str | None = Field(default=None, description="that serves it")
    published_at: datetime | None = Field(default=None, sa_type=Moment)
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment, index=True)
    started_at: datetime | None = Field(default=None, sa_type=Moment)
    ended_at: datetime | None = Field(default=None, sa_type=Moment)


class TuningPoint(Base, table=True):
    """A figure or a sample of a job: `kind` loss, eval_loss or sample."""

    __tablename__ = "tuning_points"
    __table_args__ = (Index("ix_tuning_points_kind", "job_id", "kind", "step"),)
    job_id: str = Field(foreign_key="tuning_jobs.id", primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str = Field(max_length=16)
    step: int
    value: float | None = None
    text: str | None = Field(default=None, sa_column=Column(ExactText))
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)
