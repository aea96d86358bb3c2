"""Prompts in the database: versions that never change, and drafts; the way in for all the rest.

Check a content with `prompts.checks.prepared` first: nothing here compiles a template, because no
template runs inside a transaction. What it lists as included is looked up and pinned here.
"""

from typing import NamedTuple

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core import drafts
from core.audit import actor_of
from core.clock import utcnow
from core.errors import Conflict, Invalid
from core.names import check_name
from prompts import about
from prompts.about import archive as archive
from prompts.about import describe as describe
from prompts.about import kept_text
from prompts.about import rename as rename
from prompts.aliases import alias_moves as alias_moves
from prompts.aliases import set_alias as set_alias
from prompts.catalogue import facets as facets
from prompts.catalogue import list_prompts as list_prompts
from prompts.catalogue import snippet_names as snippet_names
from prompts.composing import meant as meant
from prompts.composing import named_now as named_now
from prompts.composing import refreshed, remember, resolved
from prompts.composing import used_by as used_by
from prompts.content import PromptContent, content_hash
from prompts.lookup import aliases_of, find_prompt, need_prompt, need_version, public
from prompts.models import (
    Prompt,
    PromptDraft,
    PromptPublic,
    PromptVersion,
    PushResult,
    VersionSummary,
)

DRAFT = "prompt"


class VersionConflictError(Conflict):
    """Someone saved a newer version than the one this save was based on; it is `newer`."""

    def __init__(self, newer: PromptPublic, based_on: int) -> None:
        super().__init__(
            f"{newer.name} got version {newer.version} from {newer.author} since you opened "
            f"version {based_on}. Compare the two, then save on top of version {newer.version}.",
            code="version_conflict",
        )
        self.newer = newer
        self.based_on = based_on


def get(session: Session, name: str, ref: str | int = "latest") -> PromptPublic:
    """The version that `ref` (number, alias, `latest`) means now; raises NotFound."""
    prompt = need_prompt(session, name)
    return public(session, prompt, need_version(session, prompt, ref))


def push(
    session: Session,
    name: str,
    content: PromptContent,
    *,
    message: str = "",
    alias: str | None = None,
    description: str | None = None,
    tags: tuple[str, ...] | list[str] | None = None,
    title: str | None = None,
    based_on: int | None = None,
) -> PushResult:
    """Make a version unless the newest has this content; move `alias` to it in either case.

    With `based_on` (0: a new prompt) it raises VersionConflictError as `save_version` does.
    """
    content = resolved(session, name, content)
    prompt = _locked_or_new(session, name)
    if based_on is not None:
        _stands_on(session, prompt, content, based_on)
    about.put(prompt, title, description, tags)
    result = _save(session, prompt, content, message, prompt.newest or None)
    if alias is not None:
        set_alias(session, prompt.name, result.version.version, alias, reason=message)
        result = PushResult(get(session, prompt.name, result.version.version), result.created)
    return result


def save_version(
    session: Session,
    name: str,
    content: PromptContent,
    *,
    based_on: int | None,
    message: str = "",
) -> PushResult:
    """Save on top of version `based_on` (None or 0: a new prompt) and forget the draft.

    Raises VersionConflictError if a newer version with another content came between.
    """
    content = resolved(session, name, content)
    prompt = _locked_or_new(session, name)
    _stands_on(session, prompt, content, based_on or 0)
    result = _save(session, prompt, content, message, based_on or None)
    drafts.drop_draft(session, DRAFT, prompt.name)
    return result


def _stands_on(session: Session, prompt: Prompt, content: PromptContent, based_on: int) -> None:
    same = prompt.newest > 0 and _newest(session, prompt).hash == content_hash(content)
    if prompt.newest > based_on and not same:
        raise VersionConflictError(get(session, prompt.name), based_on)
    if based_on > prompt.newest:
        raise Invalid(
            f"{prompt.name} has no version {based_on} here. Base it on version {prompt.newest}, "
            "then save."
        )


def restore(session: Session, name: str, ref: str | int, message: str = "") -> PushResult:
    """The content of an earlier version as a new one; none if the newest is the same."""
    prompt = need_prompt(session, name, lock=True)
    version = need_version(session, prompt, ref)
    content = PromptContent.model_validate(version.content)
    text = message or f"Restore version {version.number}"
    return _save(session, prompt, content, text, version.number)


def refresh(session: Session, name: str, message: str = "") -> PushResult:
    """A version whose includes are looked up anew; none where all mean what they meant."""
    prompt = need_prompt(session, name, lock=True)
    newest = _newest(session, prompt)
    content, fresh = refreshing(session, prompt.name)
    return _save(session, prompt, fresh, message or _moved(content, fresh), newest.number)


class Refreshing(NamedTuple):
    """The newest content of a prompt, and what a refresh would make of it."""

    before: PromptContent
    after: PromptContent


def refreshing(session: Session, name: str) -> Refreshing:
    """What `refresh` would store; raises as it does."""
    prompt = need_prompt(session, name)
    content = PromptContent.model_validate(_newest(session, prompt).content)
    return Refreshing(content, refreshed(session, prompt.name, content))


def _moved(before: PromptContent, after: PromptContent) -> str:
    """What a refresh did, such as `Refresh: tone@production 1 → 2`."""
    old = {one.ref: one.version for one in before.includes if one.within is None}
    moves = [
        f"{one.ref} {old.get(one.ref)} → {one.version}"
        for one in after.includes
        if one.within is None and old.get(one.ref) != one.version
    ]
    return f"Refresh: {', '.join(moves)}" if moves else ""


def _locked_or_new(session: Session, name: str) -> Prompt:
    prompt = find_prompt(session, name, lock=True)
    if prompt is not None:
        return prompt
    fresh = Prompt(name=check_name(name, "prompt"), actor=actor_of(session))
    try:
        with session.begin_nested():
            session.add(fresh)
            session.flush()
    except IntegrityError:  # another process made it between the look and the insert
        return need_prompt(session, name, lock=True)
    return fresh


def _newest(session: Session, prompt: Prompt) -> PromptVersion:
    return need_version(session, prompt, prompt.newest)


def _save(
    session: Session, prompt: Prompt, content: PromptContent, message: str, based_on: int | None
) -> PushResult:
    digest = content_hash(content)
    prompt.archived_at = None
    session.add(prompt)
    if prompt.newest:
        newest = _newest(session, prompt)
        if newest.hash == digest:
            return PushResult(public(session, prompt, newest), created=False)
    prompt.newest += 1
    prompt.updated_at = utcnow()
    version = PromptVersion(
        prompt_id=prompt.id or 0,
        number=prompt.newest,
        hash=digest,
        content=content.model_dump(mode="json"),
        message=kept_text(message, "message"),
        based_on=based_on,
        actor=actor_of(session),
    )
    session.add(version)
    session.flush()
    remember(session, version, content)
    drafts.touch(session, DRAFT, prompt.name, prompt.title or prompt.name)
    return PushResult(public(session, prompt, version), created=True)


def history(
    session: Session, name: str, *, before: int | None = None, limit: int = 200
) -> list[VersionSummary]:
    """The versions, newest first, from below number `before`."""
    prompt = need_prompt(session, name)
    query = select(PromptVersion).where(PromptVersion.prompt_id == prompt.id)
    if before is not None:
        query = query.where(PromptVersion.number < before)
    names = aliases_of(session, [prompt.id]).get(prompt.id or 0, {})
    return [
        VersionSummary(
            version=v.number,
            hash=v.hash,
            message=v.message,
            aliases=tuple(alias for alias, number in names.items() if number == v.number),
            based_on=v.based_on,
            author=v.actor,
            created_at=v.created_at,
        )
        for v in session.exec(query.order_by(col(PromptVersion.number).desc()).limit(limit))
    ]


def save_draft(session: Session, name: str, draft: PromptDraft) -> None:
    """Keep what the session's actor typed into a prompt; call it within 1 s of the last key."""
    drafts.save_draft(session, DRAFT, check_name(name, "prompt"), draft.model_dump_json())


def load_draft(session: Session, actor: str, name: str) -> PromptDraft | None:
    """What `actor` typed into a prompt and did not save."""
    found = drafts.load_draft(session, actor, DRAFT, check_name(name, "prompt"))
    return PromptDraft.model_validate_json(found.content) if found else None


def drop_draft(session: Session, name: str) -> None:
    """Forget the draft of the session's actor."""
    drafts.drop_draft(session, DRAFT, check_name(name, "prompt"))
