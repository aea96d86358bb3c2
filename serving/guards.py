"""What an app checks before and after its model; a guard is its settings plus one method."""

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Where = Literal["before", "after"]
Action = Literal["block", "mask", "note"]


class Found(NamedTuple):
    """What a guard found in a text: `text` with each finding masked, and the findings' names."""

    text: str
    findings: tuple[str, ...]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _TextGuard(_Frozen):
    where: Where = "before"
    action: Action = "block"


class LengthGuard(_TextGuard):
    """At most so many characters; masking cuts the rest off."""

    kind: Literal["length"] = "length"
    most: Annotated[int, Field(ge=1, le=10_000_000, description="characters")] = 20_000


class PiiGuard(_TextGuard):
    """Personal data by pattern and checksum: addresses, cards, phone and identity numbers."""

    kind: Literal["pii"] = "pii"
    action: Action = "mask"


class BlockedWordsGuard(_TextGuard):
    """Words and phrases, whole and without case; each is one finding."""

    kind: Literal["blocked_words"] = "blocked_words"
    words: Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]


class InjectionGuard(_TextGuard):
    """Texts that try to give the model other instructions, by known phrases and forms."""

    kind: Literal["injection"] = "injection"


class SchemaGuard(_Frozen):
    """The answer must be valid against the prompt's output schema; it cannot be masked."""

    kind: Literal["schema"] = "schema"
    where: Literal["after"] = "after"
    action: Literal["block", "note"] = "block"


Guard = Annotated[
    LengthGuard | PiiGuard | BlockedWordsGuard | InjectionGuard | SchemaGuard,
    Field(discriminator="kind"),
]
