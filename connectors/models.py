"""Tables of models and of single calls made from the workspace."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic import Field as FormField
from sqlalchemy import JSON, Column
from sqlmodel import Field

from core.clock import new_id, utcnow
from core.database import Base
from core.types import ExactText, Moment, Money

# A negative price would let a run spend beyond its budget.
Dollars = Annotated[Decimal, FormField(ge=0, le=1_000_000, decimal_places=12)]


class ModelSettings(BaseModel):
    """All that is known of a model; a run freezes what goes over the wire of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["openai", "langchain", "demo", "echo", "app", "backend"] = "openai"
    base_url: str | None = None
    provider: str | None = FormField(default=None, description="LangChain's provider name")
    backend: str | None = FormField(default=None, description="server of ours that holds it")
    model: str = FormField(description="id of the model at its provider")
    api_key_env: str | None = None
    secret_id: str | None = None
    input_price: Dollars | None = FormField(default=None, description="US dollars per million")
    output_price: Dollars | None = FormField(default=None, description="US dollars per million")
    params: dict[str, Any] = {}
    concurrency: int = FormField(default=8, ge=1, le=1024)
    rpm: int | None = FormField(default=None, ge=1)
    tpm: int | None = FormField(default=None, ge=1)
    timeout: float = FormField(default=120, gt=0, le=3600, description="seconds")
    structured: Literal["native", "prompt", "off"] = "native"


class TestResult(BaseModel):
    """What a test call found; `message` is for people, `kind` for programs."""

    __test__ = False
    model_config = ConfigDict(frozen=True)

    ok: bool
    message: str
    kind: str | None = FormField(default=None, description="a `wire.FailureKind`")
    latency_ms: float | None = None
    at: datetime


class Model(Base, table=True):
    """A model that can be asked; `settings` is a `ModelSettings`."""

    __tablename__ = "models"
    name: str = Field(primary_key=True, max_length=128)
    settings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    last_test: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class LocalAddress(Base, table=True):
    """A private host:port that the administrator allows models to be reached at."""

    __tablename__ = "local_addresses"
    host: str = Field(primary_key=True)
    port: int = Field(primary_key=True)
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Generation(Base, table=True):
    """A call made from a page: written before it is sent, tailed by its id."""

    __tablename__ = "generations"
    id: str = Field(default_factory=new_id, primary_key=True)
    actor: str = Field(index=True)
    model: str
    prompt: str | None = None
    version: int | None = None
    state: str = Field(default="sent", description="sent, succeeded, failed, stopped, interrupted")
    request: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    output: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    tool_calls: list[Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    rounds: list[Any] | None = Field(
        default=None,
        sa_column=Column(JSON(none_as_null=True)),
        description="calls of tools that went on with mocked results; their tokens are in the sums",
    )
    error: str | None = Field(default=None, sa_column=Column(ExactText))
    input_tokens: int | None = None
    output_tokens: int | None = None
    ttft_ms: float | None = None
    latency_ms: float | None = None
    cost: Decimal | None = Field(default=None, sa_type=Money)
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment, index=True)
    ended_at: datetime | None = Field(default=None, sa_type=Moment)
