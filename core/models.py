"""Tables of what every floor needs: people, sessions, audit, jobs, sealed keys, drafts."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, LargeBinary
from sqlmodel import Field

from core.clock import new_id, utcnow
from core.database import Base
from core.types import ExactText, Moment


class User(Base, table=True):
    """A person who signs in; `name` is what `actor` shows."""

    __tablename__ = "users"
    name: str = Field(primary_key=True, max_length=128)
    role: str = "admin"
    language: str | None = None
    disabled: bool = False
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class SignInToken(Base, table=True):
    """A one-time sign-in link, stored hashed."""

    __tablename__ = "sign_in_tokens"
    token_hash: str = Field(primary_key=True, max_length=64)
    user: str = Field(foreign_key="users.name")
    expires_at: datetime = Field(sa_type=Moment)
    used_at: datetime | None = Field(default=None, sa_type=Moment)


class SignInSession(Base, table=True):
    """A browser that is signed in; the cookie is stored hashed."""

    __tablename__ = "sign_in_sessions"
    token_hash: str = Field(primary_key=True, max_length=64)
    user: str = Field(foreign_key="users.name", index=True)
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    seen_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    revoked_at: datetime | None = Field(default=None, sa_type=Moment)


class AuditRow(Base, table=True):
    """An append-only record of an action; `hash` covers the row and the one before it."""

    __tablename__ = "audit"
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    actor: str
    action: str
    object: str
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    previous: str
    hash: str


class Job(Base, table=True):
    """Long work as a row: who owns it, until when, and with which fencing token."""

    __tablename__ = "jobs"
    id: str = Field(default_factory=new_id, primary_key=True)
    kind: str = Field(index=True)
    ref: str = Field(index=True, description="id of what the job works on, such as a run")
    state: str = Field(default="queued", index=True, description="queued, running or ended")
    attempt: int = 0
    fence: int = 0
    owner: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=Moment)
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Secret(Base, table=True):
    """A provider key, sealed with AES-256-GCM; its host and id are bound in as associated data."""

    __tablename__ = "secrets"
    id: str = Field(default_factory=new_id, primary_key=True)
    host: str
    nonce: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Draft(Base, table=True):
    """What a person has typed but not saved."""

    __tablename__ = "drafts"
    actor: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    ref: str = Field(primary_key=True)
    content: str = Field(sa_column=Column(ExactText, nullable=False))
    updated_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Recent(Base, table=True):
    """An object that a person touched last, for "Go to" and "Continue"."""

    __tablename__ = "recent"
    actor: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    ref: str = Field(primary_key=True)
    title: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment, index=True)


class Setting(Base, table=True):
    """A setting of the workspace that is changed while it runs."""

    __tablename__ = "settings"
    key: str = Field(primary_key=True)
    value: Any = Field(default=None, sa_column=Column(JSON))
