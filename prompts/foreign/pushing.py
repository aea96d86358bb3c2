"""Prompts that came from elsewhere as versions: the same content twice makes no new one."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from core.errors import Conflict, Invalid, PromptstoneError
from core.names import check_alias, split_ref
from prompts import service
from prompts.checks import prepared
from prompts.composing import resolved
from prompts.content import PromptContent, content_hash
from prompts.foreign.found import ForeignPrompt, Found, NotTaken
from prompts.lookup import aliases_of, find_prompt
from prompts.models import Prompt, PromptVersion
from prompts.ordering import snippets_first


class Pushed(NamedTuple):
    """A version, and whether it is a new one; `left` are aliases that stay where they are."""

    name: str
    version: int
    created: bool
    left: tuple[NotTaken, ...]


class PushedAll(NamedTuple):
    """What is stored now, and the prompts that are not: what they include is not here."""

    prompts: list[Pushed]
    left: list[NotTaken]


def checked(found: Found) -> None:
    """Leave prompts whose templates do not compile; call it outside of any transaction."""
    kept: list[ForeignPrompt] = []
    for one in found.prompts:
        try:
            kept.append(one._replace(content=prepared(one.content, one.pins)))
        except PromptstoneError as error:
            found.refuse(one.name, "a prompt", error)
    found.prompts = kept


def push_all(session: Session, prompts: Sequence[ForeignPrompt]) -> PushedAll:
    """Push each, snippets first; an alias of a version that was here before is not moved back."""
    found = PushedAll([], [])
    numbers: dict[str, int] = {}
    for one in snippets_first(prompts, lambda one: one.name, lambda one: one.content):
        try:
            with session.begin_nested():
                own = _renumbered(one.content, numbers)
                pushed = _push(session, one._replace(content=resolved(session, one.name, own)))
        except PromptstoneError as error:
            found.left.append(NotTaken(one.name, "a prompt", error.message))
            continue
        found.prompts.append(pushed)
        if one.number is not None:
            numbers[f"{one.name}@{one.number}"] = pushed.version
    return found


def _renumbered(content: PromptContent, numbers: Mapping[str, int]) -> PromptContent:
    """Includes of versions that came with this one, by the numbers that these have here.

    Raises Invalid for a version that did not come where others of its prompt have other numbers.
    """
    refs = {one.ref: _here(one.ref, numbers) for one in content.includes}
    if all(ref == new for ref, new in refs.items()):
        return content
    quoted = re.compile("|".join(re.escape(f'"{ref}"') for ref in refs))
    messages = tuple(
        one.model_copy(
            update={"content": quoted.sub(lambda found: f'"{refs[found[0][1:-1]]}"', one.content)}
        )
        for one in content.messages
    )
    includes = {refs[one.ref]: one for one in content.includes}
    return content.model_copy(
        update={
            "messages": messages,
            "includes": tuple(one.model_copy(update={"ref": ref}) for ref, one in includes.items()),
        }
    )


def _here(ref: str, numbers: Mapping[str, int]) -> str:
    name, wanted = split_ref(ref)
    if ref in numbers:
        return f"{name}@{numbers[ref]}"
    others = [there for there in numbers if split_ref(there)[0] == name]
    if wanted.isdecimal() and any(there != f"{name}@{numbers[there]}" for there in others):
        raise Invalid(
            f"It includes version {wanted} of {name}, which the file does not hold, and the "
            "versions of the file have other numbers here. Export that version too."
        )
    return ref


def _push(session: Session, one: ForeignPrompt) -> Pushed:
    known = find_prompt(session, one.name, lock=True)
    number = _same(session, known, one)
    created = number is None
    if number is None:
        result = service.push(
            session, one.name, one.content, message=one.message, title=one.title,
            description=one.description or None, tags=one.tags or None, based_on=one.based_on,
        )  # fmt: skip
        number, created = result.version.version, result.created
        known = find_prompt(session, one.name)
    aliases = aliases_of(session, [known.id]).get(known.id or 0, {}) if known else {}
    left: list[NotTaken] = []
    for alias in one.aliases:
        try:
            check_alias(alias)
            if not created and aliases.get(alias, number) != number:
                raise Conflict(f"It points at version {aliases[alias]} here. Move it yourself.")
            service.set_alias(session, one.name, number, alias, reason=one.message)
        except PromptstoneError as error:
            left.append(NotTaken(one.name, f"the alias {alias[:80]!r}", error.message))
    return Pushed(one.name, number, created, tuple(left))


def _same(session: Session, prompt: Prompt | None, one: ForeignPrompt) -> int | None:
    """The newest version with this content, if there is one."""
    if prompt is None or prompt.archived_at is not None:
        return None
    query = (
        select(PromptVersion.number)
        .where(PromptVersion.prompt_id == prompt.id)
        .where(PromptVersion.hash == content_hash(one.content))
    )
    return session.exec(query.order_by(col(PromptVersion.number).desc())).first()
