"""What an app checks before and after its model; a guard is its settings plus one method.

Each takes time linear in its text, but up to some seconds for a million characters.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from rag.cleaning.changes import apply as changed
from rag.cleaning.pii import pii
from serving.blocked_words import WordFinder
from serving.folding import Span, fold, places
from serving.injection import attempts

Where = Literal["before", "after"]
Action = Literal["block", "mask", "note"]
MASK = "[REMOVED]"


class Found(NamedTuple):
    """`text` with each finding masked, and the findings' names, each once."""

    text: str
    findings: tuple[str, ...] = ()


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _TextGuard(_Frozen):
    where: Where = "before"
    action: Action = "block"


class LengthGuard(_TextGuard):
    """At most so many characters; masking cuts the rest off."""

    kind: Literal["length"] = "length"
    most: Annotated[int, Field(ge=1, le=10_000_000, description="characters")] = 20_000

    def find(self, text: str) -> Found:
        """The finding is `length`."""
        if len(text) <= self.most:
            return Found(text)
        return Found(text[: self.most], ("length",))


class PiiGuard(_TextGuard):
    """Personal data by pattern and checksum: addresses, cards, phone and identity numbers."""

    kind: Literal["pii"] = "pii"
    action: Action = "mask"

    def find(self, text: str) -> Found:
        """Findings are kinds (email, card, …), never what was found."""
        changes = pii(text)
        if not changes:
            return Found(text)
        kinds = (change.new.strip("[]").lower() for change in changes)
        return Found(changed(text, (), changes).text, _once(kinds))


class BlockedWordsGuard(_TextGuard):
    """Words and phrases, whole and without case, width and hidden characters."""

    kind: Literal["blocked_words"] = "blocked_words"
    words: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...],
        Field(min_length=1, max_length=1000),
    ]

    @cached_property
    def _finder(self) -> WordFinder:
        return WordFinder(self.words)

    def find(self, text: str) -> Found:
        """Findings are words of the list, as they are listed."""
        hits = self._finder.hits(fold(text))
        if not hits:
            return Found(text)
        spans = places(text, [hit.span for hit in hits], fold)
        return Found(_masked(text, spans), _once(hit.word for hit in hits))


class InjectionGuard(_TextGuard):
    """Texts that try to give the model other instructions. A heuristic: it misses new wordings."""

    kind: Literal["injection"] = "injection"

    def find(self, text: str) -> Found:
        """Findings are the rules of `serving.injection` that together reached its threshold."""
        hits = attempts(text)
        if not hits:
            return Found(text)
        spans = [hit.span for hit in hits]
        return Found(_masked(text, spans), _once(hit.name for hit in hits))


class SchemaGuard(_Frozen):
    """The answer must be valid against the prompt's output schema; it cannot be masked.

    The schema is the prompt's, so it has no `find`: see `serving.guarding.schema_problem`.
    """

    kind: Literal["schema"] = "schema"
    where: Literal["after"] = "after"
    action: Literal["block", "note"] = "block"


Guard = Annotated[
    LengthGuard | PiiGuard | BlockedWordsGuard | InjectionGuard | SchemaGuard,
    Field(discriminator="kind"),
]


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _masked(text: str, spans: Iterable[Span]) -> str:
    """The text with MASK for each stretch of spans that touch; they ascend by their start."""
    parts: list[str] = []
    end = 0
    for span in spans:
        if not parts or span.start > end:
            parts += [text[end : span.start], MASK]
        end = max(end, span.end)
    return "".join((*parts, text[end:]))
