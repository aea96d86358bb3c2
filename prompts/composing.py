"""Prompts put together: what an include means when it is saved, and which prompts it would change.

A snippet is a prompt of one message. Its text is pinned in the version that includes it, and what
it declares becomes an input there. Nothing here compiles: `prompts.checks.prepared` lists what the
messages include, outside of any transaction.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from core.errors import Invalid, NotFound
from core.names import split_ref
from prompts.content import PromptContent, Variable
from prompts.include import Include, chain_to, digest
from prompts.lookup import find_prompt, need_version
from prompts.models import Prompt, PromptInclude, PromptVersion


class Use(NamedTuple):
    """A prompt whose newest version includes a snippet; `now` is what its reference means now."""

    prompt: str
    version: int
    ref: str
    pinned: int
    now: int | None

    @property
    def stale(self) -> bool:
        """Whether a new version of the prompt would have another text."""
        return self.now is not None and self.now != self.pinned


class _Found(NamedTuple):
    prompt: Prompt
    version: PromptVersion
    content: PromptContent


def resolved(session: Session, name: str, content: PromptContent) -> PromptContent:
    """The content with each include of its messages pinned: version, text, and what that includes.

    An include of version 0 is looked up as it is written (number, alias, `latest`), another one
    stays at its version. Raises Invalid or NotFound with the snippet and the remedy.
    """
    asked = [one for one in content.includes if one.within is None]
    if not asked:
        return content
    made: dict[tuple[str | None, str], Include] = {}
    declared: dict[str, Variable] = {}
    for one in asked:
        found = _snippet(session, one.ref, one.version)
        _refuse_other(one, found)
        pin = Include(
            ref=one.ref, name=found.prompt.name, version=found.version.number,
            text=found.content.messages[0].content, given=one.given,
        )  # fmt: skip
        made[None, one.ref] = pin
        for inner in found.content.includes:
            within = inner.within or pin.target
            made[within, inner.ref] = inner.model_copy(update={"within": within})
        for variable in found.content.inputs:
            if variable.name not in one.given:
                declared.setdefault(variable.name, variable)
    _refuse_circle(name, list(made.values()))
    inputs = {variable.name: variable for variable in content.inputs}
    return _with(content, tuple(made.values()), tuple({**declared, **inputs}.values()))


def _with(
    content: PromptContent, includes: tuple[Include, ...], inputs: tuple[Variable, ...]
) -> PromptContent:
    """The content's own inputs stay first, so that what is declared keeps its order."""
    own = [one.name for one in content.inputs]
    ordered = sorted(inputs, key=lambda one: own.index(one.name) if one.name in own else len(own))
    data = content.model_dump(mode="json")
    data["includes"] = [one.model_dump(mode="json") for one in includes]
    data["inputs"] = [one.model_dump(mode="json") for one in ordered]
    try:
        return PromptContent.model_validate(data)
    except ValueError as error:
        cause = getattr(error, "errors", list)()
        told = str(cause[0]["msg"]).removeprefix("Value error, ") if cause else str(error)
        raise Invalid(f"The includes cannot be saved: {told}.", param="includes") from None


def _snippet(session: Session, ref: str, version: int) -> _Found:
    name, wanted = split_ref(ref)
    try:
        prompt = find_prompt(session, name)
        if prompt is None or not prompt.newest:
            raise NotFound("There is no such prompt.")
        found = need_version(session, prompt, version or wanted)
    except (NotFound, Invalid) as error:
        raise Invalid(
            f"The prompt includes the snippet {ref!r}, which is not here. {error.message} "
            "Save or push that snippet first, or correct its name.",
            param="includes",
        ) from None
    content = PromptContent.model_validate(found.content)
    if len(content.messages) != 1:
        raise Invalid(
            f"{prompt.name}@{found.number} has {len(content.messages)} messages, and a snippet has "
            "one. Include a prompt of one message.",
            param="includes",
        )
    return _Found(prompt, found, content)


def _refuse_other(asked: Include, found: _Found) -> None:
    if asked.sha256 and asked.sha256 != digest(found.content.messages[0].content):
        raise Invalid(
            f"The file pins {found.prompt.name}@{found.version.number} with another text than it "
            "has here. Push that snippet first, or take `includes` out of the file to pin what is "
            "here.",
            param="includes",
        )


def _refuse_circle(name: str, includes: Sequence[Include]) -> None:
    chain = chain_to(includes, name)
    if chain is not None:
        told = " → ".join((name, *chain))
        raise Invalid(
            f"A snippet would include itself: {told}. Take one of these includes out.",
            param="includes",
        )


def remember(session: Session, version: PromptVersion, content: PromptContent) -> None:
    """Rows by which the users of a snippet are found."""
    for one in content.includes:
        prompt = find_prompt(session, one.name)
        if one.within is None and prompt is not None:
            session.add(
                PromptInclude(
                    version_id=version.id or 0,
                    snippet_id=prompt.id or 0,
                    ref=one.ref,
                    pinned=one.version,
                )
            )


def used_by(session: Session, name: str) -> list[Use]:
    """Prompts whose newest version includes the snippet `name` in its own messages, by name."""
    snippet = find_prompt(session, name)
    if snippet is None:
        return []
    query = (
        select(PromptInclude, PromptVersion, Prompt)
        .where(PromptInclude.snippet_id == snippet.id)
        .where(PromptInclude.version_id == PromptVersion.id)
        .where(PromptVersion.prompt_id == Prompt.id)
        .where(PromptVersion.number == col(Prompt.newest))
        .where(col(Prompt.archived_at).is_(None))
        .order_by(col(Prompt.name), col(PromptInclude.ref))
    )
    return [
        Use(prompt.name, version.number, row.ref, row.pinned, meant(session, row.ref))
        for row, version, prompt in session.exec(query)
    ]


def named_now(session: Session, name: str, version: int) -> dict[str, str]:
    """What the snippets of a version are called now, by the reference in its messages."""
    asked, snippet = aliased(Prompt), aliased(Prompt)
    query = (
        select(PromptInclude.ref, col(snippet.name))
        .join(PromptVersion, col(PromptVersion.id) == col(PromptInclude.version_id))
        .join(asked, col(asked.id) == col(PromptVersion.prompt_id))
        .join(snippet, col(snippet.id) == col(PromptInclude.snippet_id))
        .where(col(asked.name) == name, PromptVersion.number == version)
    )
    return {ref: now for ref, now in session.exec(query)}  # noqa: C416 (typed rows)


def meant(session: Session, ref: str) -> int | None:
    """The version that a reference means now; None where it means none."""
    name, wanted = split_ref(ref)
    try:
        prompt = find_prompt(session, name)
        return need_version(session, prompt, wanted).number if prompt and prompt.newest else None
    except (NotFound, Invalid):
        return None


def refreshed(session: Session, name: str, content: PromptContent) -> PromptContent:
    """The content with its references looked up anew; what a snippet declared goes with its text.

    An input that still is what the pinned snippet declares follows the snippet; one that was
    changed by hand stays.
    """
    asked = [one for one in content.includes if one.within is None]
    gone: list[Variable] = []
    for one in asked:
        old = find_prompt(session, one.name)
        if old is not None:
            stored = need_version(session, old, one.version).content
            gone += PromptContent.model_validate(stored).inputs
    again = content.model_copy(
        update={
            "inputs": tuple(variable for variable in content.inputs if variable not in gone),
            "includes": tuple(one.model_copy(update={"version": 0}) for one in asked),
        }
    )
    return resolved(session, name, again)
