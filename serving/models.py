"""Tables of published apps: releases, aliases, keys, what was used, calls and what came back."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, UniqueConstraint, text
from sqlmodel import Field

from core.clock import new_id, utcnow
from core.database import Base
from core.types import ExactText, Moment, Money

_ASKED = text("review IS NOT NULL")


class ServingVersion(Base, table=True):
    """One row that grows with every change that processes which serve must know of."""

    __tablename__ = "serving_version"
    id: int = Field(default=1, primary_key=True)
    number: int = 0


class App(Base, table=True):
    """A named app. `settings` is an `AppSettings` draft, `operations` an `Operations`."""

    __tablename__ = "apps"
    id: str = Field(default_factory=new_id, primary_key=True)
    name: str = Field(unique=True, max_length=128)
    description: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    settings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    operations: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    origin: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    newest: int = Field(default=0, description="number of the newest release")
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=Moment, index=True)


class AppRelease(Base, table=True):
    """One immutable state of an app; `manifest` is a `serving.manifest.ReleaseManifest`."""

    __tablename__ = "app_releases"
    __table_args__ = (UniqueConstraint("app_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    app_id: str = Field(foreign_key="apps.id", index=True)
    number: int
    hash: str = Field(max_length=64)
    manifest: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    message: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    imported_from: str | None = None
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class AppAlias(Base, table=True):
    """Where an alias points; a canary takes `percent` of its calls until it is ended."""

    __tablename__ = "app_aliases"
    app_id: str = Field(foreign_key="apps.id", primary_key=True)
    name: str = Field(primary_key=True, max_length=128)
    release: int
    canary: int | None = None
    percent: int = 0
    canary_since: datetime | None = Field(default=None, sa_type=Moment)
    canary_move: int | None = Field(default=None, description="the move that began the canary")


class AppAliasMove(Base, table=True):
    """One move of an app's alias. `kind`: promote, canary, rollback, canary_stop, canary_win."""

    __tablename__ = "app_alias_moves"
    id: int | None = Field(default=None, primary_key=True)
    app_id: str = Field(foreign_key="apps.id", index=True)
    alias: str
    kind: str
    from_release: int | None = None
    to_release: int
    percent: int | None = None
    reason: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    evidence: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class ApiKey(Base, table=True):
    """A key of a program: stored as sha256, shown once. `apps` are ids; scope: apps or metrics.

    `rpm` and `tpm` are a minute's requests and tokens, `streams` how many at once, `budget_day`
    US dollars a UTC day.
    """

    __tablename__ = "api_keys"
    id: str = Field(default_factory=new_id, primary_key=True)
    name: str = Field(unique=True, max_length=128)
    hash: str = Field(unique=True, max_length=64)
    prefix: str
    scope: str = "apps"
    apps: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    person: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    streams: int | None = None
    budget_day: Decimal | None = Field(default=None, sa_type=Money)
    expires_at: datetime | None = Field(default=None, sa_type=Moment)
    revoked_at: datetime | None = Field(default=None, sa_type=Moment)
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    last_used_at: datetime | None = Field(default=None, sa_type=Moment)


class KeyUse(Base, table=True):
    """What was granted to a key in one window, whole numbers that one UPDATE can compare.

    `meter`: requests, tokens (a minute) or cost (a day, in 10^-9 US dollars). `window` is the
    window's number since 1970. Rows of past minutes go with the next one.
    """

    __tablename__ = "key_uses"
    key_id: str = Field(foreign_key="api_keys.id", primary_key=True)
    meter: str = Field(primary_key=True, max_length=16)
    window: int = Field(sa_column=Column(BigInteger, primary_key=True))
    granted: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class StreamLease(Base, table=True):
    """How many streams of a key one process may have open; past `until` they count no more.

    A process that was killed renews nothing, so its streams are free again within the lease.
    """

    __tablename__ = "stream_leases"
    key_id: str = Field(foreign_key="api_keys.id", primary_key=True)
    process: str = Field(primary_key=True, max_length=26)
    held: int
    until: datetime = Field(sa_type=Moment)


class Trace(Base, table=True):
    """One call of an app: narrow, for lists and figures; wide text stands in `TraceContent`.

    `status` is the HTTP status, 499 for a client that went away. `state`: succeeded, failed,
    blocked, pinned, aborted. `outcome` is the rating that counts: good, bad or null.
    """

    __tablename__ = "traces"
    __table_args__ = (
        Index("ix_traces_app_at", "app_id", "at"),
        Index("ix_traces_release", "app_id", "release", "at"),
        Index("ix_traces_rating", "app_id", "rating", "at"),
        Index("ix_traces_at", "at"),
        Index("ix_traces_review", "review", "at", sqlite_where=_ASKED, postgresql_where=_ASKED),
    )
    id: str = Field(primary_key=True, description="the request id, which sorts by time")
    app_id: str
    app: str
    release: int
    alias: str | None = None
    canary: bool = False
    key_id: str | None = None
    user: str | None = None
    conversation: str | None = None
    at: datetime = Field(sa_type=Moment)
    status: int
    state: str
    stream: bool = False
    model: str | None = None
    fallback: bool = False
    repaired: bool = False
    ttft_ms: float | None = None
    latency_ms: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Decimal | None = Field(default=None, sa_type=Money)
    error: str | None = Field(default=None, sa_column=Column(ExactText))
    error_kind: str | None = None
    preview: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    rating: str | None = None
    judged: str | None = None
    review: str | None = Field(default=None, description="open or done, null: none asked for")


class TraceContent(Base, table=True):
    """What was said in a call; absent where an app's content logging is off."""

    __tablename__ = "trace_contents"
    id: str = Field(primary_key=True)
    inputs: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    given: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    messages: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    output: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    tool_calls: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    sources: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    steps: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))


class Feedback(Base, table=True):
    """What a client said of a call; the last of a call counts, the history stays."""

    __tablename__ = "feedback"
    id: str = Field(default_factory=new_id, primary_key=True)
    trace_id: str = Field(index=True)
    app_id: str = Field(index=True)
    rating: str | None = None
    reasons: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    comment: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    correction: str | None = Field(default=None, sa_column=Column(ExactText))
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Review(Base, table=True):
    """What a person decided about a call: confirmed, fine or corrected; where the case went."""

    __tablename__ = "reviews"
    trace_id: str = Field(primary_key=True)
    app_id: str = Field(index=True)
    decision: str
    correction: str | None = Field(default=None, sa_column=Column(ExactText))
    dataset: str | None = None
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Judgement(Base, table=True):
    """What the judge of an app's sample said of a call; `value` from 0 to 1, null is unscored."""

    __tablename__ = "judgements"
    __table_args__ = (Index("ix_judgements_app", "app_id", "at"),)
    trace_id: str = Field(primary_key=True)
    app_id: str
    model: str
    value: float | None = None
    reason: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    cost: Decimal | None = Field(default=None, sa_type=Money)
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Conversation(Base, table=True):
    """The turns of a chat that we keep for a client."""

    __tablename__ = "conversations"
    app_id: str = Field(primary_key=True)
    owner: str = Field(primary_key=True, description="the key's id")
    id: str = Field(primary_key=True, max_length=128)
    turns: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    revision: int = 0
    updated_at: datetime = Field(default_factory=utcnow, sa_type=Moment, index=True)


class IdempotentCall(Base, table=True):
    """An Idempotency-Key and the answer it got; running until `status` is set."""

    __tablename__ = "idempotent_calls"
    key_id: str = Field(primary_key=True)
    token: str = Field(primary_key=True, max_length=255)
    body_hash: str = Field(max_length=64)
    status: int | None = None
    media: str | None = None
    body: str | None = Field(default=None, sa_column=Column(ExactText))
    request_id: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment, index=True)


class AlertState(Base, table=True):
    """The window in which an app's alert was last told."""

    __tablename__ = "alert_states"
    app_id: str = Field(primary_key=True)
    alert: str = Field(primary_key=True, max_length=64, description="hash of the alert")
    window: int
    value: float
    delivered: bool = False
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)
