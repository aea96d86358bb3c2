"""A prompt as a reader of files gives it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from prompts.content import PromptContent
from prompts.include import Pin


class ParsedPrompt(NamedTuple):
    """A prompt read from a file; `notices` are sentences about what was left out.

    `pins` are the versions that an export tells of its includes, by reference; `based_on` is the
    version that the file changes, where it says so.
    """

    name: str
    title: str | None
    description: str
    tags: tuple[str, ...]
    content: PromptContent
    notices: tuple[str, ...]
    pins: Mapping[str, Pin] = MappingProxyType({})
    based_on: int | None = None
