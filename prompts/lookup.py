"""Finding prompts, versions and aliases in the database, for `prompts.service`."""

from collections.abc import Iterable

from sqlmodel import Session, col, select

from core.errors import NotFound
from core.names import check_name
from prompts.content import PromptContent
from prompts.models import Prompt, PromptAlias, PromptPublic, PromptVersion


def find_prompt(session: Session, name: str, *, lock: bool = False) -> Prompt | None:
    """The prompt called `name`; `lock` holds its row until the transaction ends (PostgreSQL)."""
    query = select(Prompt).where(Prompt.name == check_name(name, "prompt"))
    return session.exec(query.with_for_update() if lock else query).first()


def need_prompt(session: Session, name: str, *, lock: bool = False) -> Prompt:
    """`find_prompt`, or NotFound."""
    prompt = find_prompt(session, name, lock=lock)
    if prompt is None:
        raise NotFound(
            f"There is no prompt {name!r}. `promptstone prompt list` shows those there are.",
            param="prompt",
        )
    return prompt


def aliases_of(session: Session, ids: Iterable[int | None]) -> dict[int, dict[str, int]]:
    """Alias names and their versions, by prompt id."""
    found: dict[int, dict[str, int]] = {}
    query = select(PromptAlias).where(col(PromptAlias.prompt_id).in_(list(ids)))
    for alias in session.exec(query.order_by(col(PromptAlias.name))):
        found.setdefault(alias.prompt_id, {})[alias.name] = alias.version
    return found


def resolve(session: Session, prompt: Prompt, ref: str | int) -> int:
    """The version number that a number, an alias or `latest` means now."""
    ref = str(ref)
    if ref == "latest":
        return prompt.newest
    if ref.isdecimal() and len(ref) < 10:
        return int(ref)
    alias = session.get(PromptAlias, (prompt.id, ref))
    if alias is None:
        known = ", ".join(["latest", *aliases_of(session, [prompt.id]).get(prompt.id or 0, {})])
        raise NotFound(
            f"{prompt.name} has no alias {ref!r}. Use a version number or one of {known}.",
            param="ref",
        )
    return alias.version


def need_version(session: Session, prompt: Prompt, ref: str | int) -> PromptVersion:
    """The version that `ref` means, or NotFound."""
    number = resolve(session, prompt, ref)
    query = select(PromptVersion).where(
        PromptVersion.prompt_id == prompt.id, PromptVersion.number == number
    )
    version = session.exec(query).first()
    if version is None:
        raise NotFound(
            f"{prompt.name} has no version {number}. Its newest is {prompt.newest}.", param="ref"
        )
    return version


def public(session: Session, prompt: Prompt, version: PromptVersion) -> PromptPublic:
    """The version as pages, commands and routes see it."""
    aliases = aliases_of(session, [prompt.id]).get(prompt.id or 0, {})
    return PromptPublic(
        name=prompt.name,
        version=version.number,
        newest=prompt.newest,
        hash=version.hash,
        aliases=tuple(name for name, number in aliases.items() if number == version.number),
        content=PromptContent.model_validate(version.content),
        title=prompt.title,
        description=prompt.description,
        tags=tuple(prompt.tags),
        message=version.message,
        based_on=version.based_on,
        author=version.actor,
        created_at=version.created_at,
        archived=prompt.archived_at is not None,
    )
