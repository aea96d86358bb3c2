"""The catalogue of prompts: searching, narrowing, paging. `prompts.service` offers it."""

from typing import NamedTuple

import orjson
from sqlalchemy import ColumnElement, Text, and_, cast, func, or_
from sqlmodel import Session, col, select

from prompts.lookup import aliases_of
from prompts.models import Prompt, PromptSummary, PromptVersion


def list_prompts(
    session: Session,
    *,
    search: str | None = None,
    tag: str | None = None,
    folder: str | None = None,
    after: str | None = None,
    limit: int = 50,
    archived: bool = False,
) -> list[PromptSummary]:
    """A page of the catalogue by name, from behind `after`.

    `search` looks, without regard to case, into name, title, description, tags and the newest
    version's text; `folder` holds what begins with it and a slash.
    """
    query = select(Prompt).join(PromptVersion, _is_newest()).order_by(col(Prompt.name)).limit(limit)
    query = query.where(col(Prompt.archived_at).is_not(None) == archived)
    tags = cast(col(Prompt.tags), Text)
    if tag is not None:
        query = query.where(tags.contains(orjson.dumps(tag).decode(), autoescape=True))
    if folder:
        query = query.where(col(Prompt.name).startswith(folder.strip("/") + "/", autoescape=True))
    if after is not None:
        query = query.where(col(Prompt.name) > after)
    for word in (search or "").split():
        texts = (col(Prompt.name), col(Prompt.title), col(Prompt.description), tags)
        places = (*texts, cast(col(PromptVersion.content), Text))
        query = query.where(or_(*(p.icontains(word, autoescape=True) for p in places)))
    found = list(session.exec(query))
    aliases = aliases_of(session, [prompt.id for prompt in found])
    return [_summary(prompt, aliases.get(prompt.id or 0, {})) for prompt in found]


def snippet_names(session: Session, beside: str, limit: int = 200) -> list[str]:
    """What a prompt but `beside` itself can include, as NAME@N of the newest versions, by name."""
    query = (
        select(Prompt.name, Prompt.newest)
        .join(PromptVersion, _is_newest())
        .where(col(Prompt.archived_at).is_(None), col(Prompt.name) != beside)
        .where(func.json_array_length(col(PromptVersion.content)["messages"]) == 1)
        .order_by(col(Prompt.name))
        .limit(limit)
    )
    return [f"{name}@{newest}" for name, newest in session.exec(query)]


def _is_newest() -> ColumnElement[bool]:
    return and_(
        col(PromptVersion.prompt_id) == col(Prompt.id),
        col(PromptVersion.number) == col(Prompt.newest),
    )


def _summary(prompt: Prompt, aliases: dict[str, int]) -> PromptSummary:
    return PromptSummary(
        name=prompt.name,
        title=prompt.title,
        description=prompt.description,
        tags=tuple(prompt.tags),
        newest=prompt.newest,
        aliases=aliases,
        author=prompt.actor,
        updated_at=prompt.updated_at,
    )


class Facets(NamedTuple):
    """Folders and tags of the catalogue, each with how many prompts it holds."""

    folders: dict[str, int]
    tags: dict[str, int]


def facets(session: Session) -> Facets:
    """What the catalogue can be narrowed by; a folder counts what lies in its folders too."""
    found = Facets({}, {})
    query = select(Prompt.name, Prompt.tags).where(col(Prompt.archived_at).is_(None))
    for name, tags in session.exec(query.order_by(col(Prompt.name))):
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            found.folders[folder] = found.folders.get(folder, 0) + 1
        for tag in tags:
            found.tags[tag] = found.tags.get(tag, 0) + 1
    return found
