"""What a reader of another program's file gives: prompts of ours, and what it could not take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from core.errors import PromptstoneError
from prompts.content import PromptContent
from prompts.include import Pin
from prompts.parsed import ParsedPrompt


class NotTaken(NamedTuple):
    """Something of a file that has no place here: `where` is a file, line or key in it."""

    where: str
    what: str
    reason: str


class ForeignPrompt(NamedTuple):
    """A prompt as it will be pushed; `aliases` are moved to its version.

    `number` is the version's number where it came from, `pins` versions of includes by reference,
    `based_on` the version here that it changes, where the file says so.
    """

    name: str
    content: PromptContent
    title: str | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    message: str = ""
    number: int | None = None
    pins: Mapping[str, Pin] = MappingProxyType({})
    based_on: int | None = None


@dataclass
class Found:
    """All of one file."""

    prompts: list[ForeignPrompt] = field(default_factory=list[ForeignPrompt])
    not_taken: list[NotTaken] = field(default_factory=list[NotTaken])

    def leave(self, where: str, what: str, reason: str) -> None:
        """List what is not taken."""
        self.not_taken.append(NotTaken(where, what, reason))

    def refuse(self, where: str, what: str, error: PromptstoneError) -> None:
        """List what is not taken for an error's own reason."""
        self.leave(where, what, error.message)

    def add_parsed(self, where: str, parsed: ParsedPrompt) -> None:
        """A prompt file of our own reader; its notices are what was left out."""
        self.prompts.append(
            ForeignPrompt(
                parsed.name,
                parsed.content,
                parsed.title,
                parsed.description,
                parsed.tags,
                pins=parsed.pins,
                based_on=parsed.based_on,
            )
        )
        for notice in parsed.notices:
            self.leave(where, parsed.name, notice)


def together(not_taken: Iterable[NotTaken]) -> list[NotTaken]:
    """The same thing refused for the same reason once, with its first place and the number."""
    first: dict[tuple[str, str], NotTaken] = {}
    counts: dict[tuple[str, str], int] = {}
    for one in not_taken:
        key = (one.what, one.reason)
        first.setdefault(key, one)
        counts[key] = counts.get(key, 0) + 1
    return [
        one if counts[key] == 1 else one._replace(where=f"{one.where} and {counts[key] - 1} more")
        for key, one in first.items()
    ]
