"""What a pushed file is based on, and what to do where a newer version stands."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import Conflict

if TYPE_CHECKING:
    from prompts.parsed import ParsedPrompt


def base_of(prompt: "ParsedPrompt", name: str | None, given: int | None) -> int | None:
    """The option before the file's own word, which is about the prompt that the file names."""
    if given is not None:
        return given
    return prompt.based_on if name in (None, prompt.name) else None


@contextmanager
def refusing_newer() -> Iterator[None]:
    """Name the commands that show what came between and push on top of it."""
    from prompts.service import VersionConflictError

    try:
        yield
    except VersionConflictError as error:
        newer, base = error.newer, error.based_on
        between = f"{newer.name}@{base} {newer.name}@{newer.version}"
        shown = f"diff {between}" if base else f"show {newer.name}"
        raise Conflict(
            f"{newer.name} got version {newer.version} from {newer.author} after version {base}, "
            f"on which the file is based. Look at it (`promptstone prompt {shown}`), then push "
            f"with --based-on {newer.version}.",
            code=error.code,
        ) from None
