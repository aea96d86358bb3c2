"""What an include of a version stands for: a snippet at a version, and its text as it was saved."""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from prompts.fields import Source, Text, VariableName

MAX_INCLUDES = 200
MAX_CHAIN = 8
MAX_INCLUDED = 1024 * 1024


class Pin(NamedTuple):
    """Which version of a snippet a file means, and the hex sha256 of its text."""

    version: int
    sha256: str


def digest(text: str) -> str:
    """Hex sha256 of a snippet's text."""
    return sha256(text.encode("utf-8")).hexdigest()


class Include(BaseModel):
    """One `{% include "ref" %}` and its pin, in a message or (`within`: NAME@N) in a snippet.

    `version` 0: to be resolved when it is saved; `sha256`: only if its text is that one. `given`
    are variables that the including text sets itself, as a loop does, so that they are no inputs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ref: Text = Field(max_length=400)
    name: Text = ""
    version: int = Field(default=0, ge=0)
    text: Source = ""
    within: Text | None = None
    sha256: Text | None = Field(default=None, exclude=True)
    given: tuple[VariableName, ...] = ()

    @property
    def target(self) -> str:
        """NAME@N of the snippet."""
        return f"{self.name}@{self.version}"


def targets_of(includes: Sequence[Include]) -> dict[str | None, list[Include]]:
    """The includes by who includes."""
    found: dict[str | None, list[Include]] = {}
    for one in includes:
        found.setdefault(one.within, []).append(one)
    return found


def chain_to(includes: Sequence[Include], name: str) -> tuple[str, ...] | None:
    """The shortest way from a message down to a snippet of this name, as NAME@N."""
    by, seen = targets_of(includes), set[str]()
    level: list[tuple[str, ...]] = [()]
    while level:
        below: list[tuple[str, ...]] = []
        for chain in level:
            for one in by.get(chain[-1] if chain else None, []):
                if one.name == name:
                    return (*chain, one.target)
                if one.target not in seen:
                    seen.add(one.target)
                    below.append((*chain, one.target))
        level = below
    return None


def too_deep(includes: Sequence[Include]) -> tuple[str, ...] | None:
    """A way longer than `MAX_CHAIN`, as a circle has one; each snippet once a level."""
    by = targets_of(includes)
    level: dict[str | None, tuple[str, ...]] = {None: ()}
    for _ in range(MAX_CHAIN + 1):
        level = {
            one.target: (*chain, one.target)
            for who, chain in level.items()
            for one in by.get(who, [])
        }
    return next(iter(level.values()), None)


def check_includes(includes: Sequence[Include]) -> None:
    """Raises ValueError for what a rendering could not end, or could not be told apart."""
    if len(includes) > MAX_INCLUDES:
        raise ValueError(f"it includes more than {MAX_INCLUDES} snippets; join some of them")
    # A text counts once for each place that includes it, as it is sent and stored.
    if sum(len(one.text) for one in includes) > MAX_INCLUDED:
        raise ValueError("the included texts exceed 1 MiB; include less")
    places = [(one.within, one.ref) for one in includes]
    texts: dict[str, str] = {}
    for one, place in zip(includes, places, strict=True):
        if places.count(place) > 1 or texts.setdefault(one.target, one.text) != one.text:
            raise ValueError(f"the include {one.ref!r} stands for two texts; save it anew")
    deep = too_deep(includes)
    if deep is not None:
        raise ValueError(
            f"snippets include each other more than {MAX_CHAIN} deep: {' → '.join(deep)}; put some "
            "of the texts together"
        )
