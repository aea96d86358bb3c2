"""What belongs to a prompt and to no version: title, description, tags, its name, the archive."""

from sqlmodel import Session

from core.audit import record
from core.clock import utcnow
from core.errors import Conflict, Invalid
from core.names import check_name
from prompts.fields import check_text
from prompts.lookup import find_prompt, need_prompt
from prompts.models import Prompt


def describe(
    session: Session,
    name: str,
    *,
    title: str | None = None,
    description: str | None = None,
    tags: tuple[str, ...] | list[str] | None = None,
) -> None:
    """Change what belongs to the prompt and to no version; None leaves a field as it is."""
    prompt = need_prompt(session, name, lock=True)
    put(prompt, title, description, tags)
    session.add(prompt)
    session.flush()


def put(
    prompt: Prompt,
    title: str | None,
    description: str | None,
    tags: tuple[str, ...] | list[str] | None,
) -> None:
    """Set the fields that are given."""
    if title is not None:
        prompt.title = kept_text(title, "title").strip() or None
    if description is not None:
        prompt.description = kept_text(description, "description")
    if tags is not None:
        stripped = (kept_text(tag, "tag").strip() for tag in tags)
        prompt.tags = list(dict.fromkeys(filter(None, stripped)))


def kept_text(text: str, what: str) -> str:
    """`text`, if it can be stored; raises Invalid, naming `what` it is."""
    try:
        return check_text(text)
    except ValueError as error:
        raise Invalid(f"The {what} cannot be kept: {error}.", param=what) from None


def rename(session: Session, name: str, new: str) -> None:
    """Give a prompt another name; runs keep the name under which they were started."""
    prompt = need_prompt(session, name, lock=True)
    new = check_name(new, "prompt")
    if new != prompt.name and find_prompt(session, new) is not None:
        raise Conflict(f"A prompt {new!r} exists already. Choose another name.", param="name")
    old, prompt.name = prompt.name, new
    session.add(prompt)
    session.flush()
    record(session, "prompt.rename", new, {"from": old})


def archive(session: Session, name: str, *, archived: bool = True) -> None:
    """Take a prompt out of the catalogue, or bring it back; its versions stay readable."""
    prompt = need_prompt(session, name, lock=True)
    prompt.archived_at = utcnow() if archived else None
    session.add(prompt)
    session.flush()
    record(session, "prompt.archive" if archived else "prompt.unarchive", prompt.name, {})
