"""Tables of prompts: a name, its immutable versions, and the aliases that move over them."""

from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field

from core.clock import utcnow
from core.database import Base
from core.types import ExactText, Moment
from prompts.content import PromptContent
from prompts.fields import JsonObject, Text


class Prompt(Base, table=True):
    """A named prompt; description and tags belong to it, not to a version."""

    __tablename__ = "prompts"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=128)
    title: str | None = None
    description: str = ""
    tags: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    newest: int = Field(default=0, description="number of the newest version")
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=Moment, index=True)
    archived_at: datetime | None = Field(default=None, sa_type=Moment)


class PromptVersion(Base, table=True):
    """One immutable state of a prompt; `content` is a `prompts.content.PromptContent`."""

    __tablename__ = "prompt_versions"
    __table_args__ = (UniqueConstraint("prompt_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    prompt_id: int = Field(foreign_key="prompts.id", index=True)
    number: int
    hash: str = Field(max_length=64)
    content: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    message: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    based_on: int | None = None
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class PromptAlias(Base, table=True):
    """Where an alias points now."""

    __tablename__ = "prompt_aliases"
    prompt_id: int = Field(foreign_key="prompts.id", primary_key=True)
    name: str = Field(primary_key=True, max_length=128)
    version: int


class AliasMove(Base, table=True):
    """One move of an alias, with its reason and evidence such as a run and its verdict."""

    __tablename__ = "prompt_alias_moves"
    id: int | None = Field(default=None, primary_key=True)
    prompt_id: int = Field(foreign_key="prompts.id", index=True)
    alias: str
    from_version: int | None = None
    to_version: int
    reason: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    evidence: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class PromptInclude(Base, table=True):
    """An include in a version's messages, by which a snippet's users are found."""

    __tablename__ = "prompt_includes"
    version_id: int = Field(foreign_key="prompt_versions.id", primary_key=True)
    ref: str = Field(primary_key=True, max_length=400, description="as it is written: name@alias")
    snippet_id: int = Field(foreign_key="prompts.id", index=True)
    pinned: int = Field(description="the snippet's version whose text the version holds")


class Scene(Base, table=True):
    """A comparison in the playground; `state` is a `prompts.scene.SceneState`."""

    __tablename__ = "scenes"
    id: str = Field(primary_key=True)
    owner: str = Field(index=True)
    revision: int = Field(default=1, description="grows with each change")
    state: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    copied_from: str | None = None
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class PromptPublic(BaseModel):
    """One version with what belongs to its prompt; `aliases` are those that point at it."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    newest: int
    hash: str
    aliases: tuple[str, ...]
    content: PromptContent
    title: str | None
    description: str
    tags: tuple[str, ...]
    message: str
    based_on: int | None
    author: str
    created_at: datetime
    archived: bool = False


class PushResult(NamedTuple):
    """The version a push or save ended at, and whether it is a new one."""

    version: PromptPublic
    created: bool


class PromptSummary(NamedTuple):
    """One row of the catalogue; `aliases` maps names to versions."""

    name: str
    title: str | None
    description: str
    tags: tuple[str, ...]
    newest: int
    aliases: dict[str, int]
    author: str
    updated_at: datetime


class VersionSummary(NamedTuple):
    """One row of a prompt's history."""

    version: int
    hash: str
    message: str
    aliases: tuple[str, ...]
    based_on: int | None
    author: str
    created_at: datetime


class PromptDraft(BaseModel):
    """What a person typed but did not save; `content` may not be valid yet."""

    model_config = ConfigDict(frozen=True)

    based_on: int | None
    content: JsonObject
    message: Text = ""
