"""Regular expressions that may come from anybody, on text that comes from a model, in bounded time.

The `regex` package looks at the clock while it searches, which `re` cannot; what it builds while
compiling is bounded by the length and the repeats of the pattern.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import regex

SECONDS = 0.25
MAX_PATTERN = 1_000
_MAX_REPEATS = 100_000
_LEAST_REPEATS = regex.compile(r"\{(\d{1,9})")


class PatternError(ValueError):
    """The pattern is wrong or too large; the text says what to change."""


class Found(NamedTuple):
    """`text` is what matched, null if nothing did."""

    text: str | None


def check_pattern(pattern: str) -> None:
    """Raise PatternError for a pattern that cannot be compiled within bounds."""
    _compiled(pattern, False)


def find(pattern: str, text: str, *, ignore_case: bool = False, whole: bool = False) -> Found:
    """The first match; raises TimeoutError after `SECONDS`, PatternError for a bad pattern.

    Releases the interpreter lock while it searches.
    """
    compiled = _compiled(pattern, ignore_case)
    search = compiled.fullmatch if whole else compiled.search
    try:
        match = search(text, timeout=SECONDS, concurrent=True)
    except (MemoryError, RecursionError):
        raise TimeoutError("the search needs too much memory") from None
    return Found(match.group() if match else None)


@lru_cache(maxsize=512)
def _compiled(pattern: str, ignore_case: bool) -> "regex.Pattern[str]":
    repeats = math.prod(max(1, int(count)) for count in _LEAST_REPEATS.findall(pattern))
    if len(pattern) > MAX_PATTERN or repeats > _MAX_REPEATS:
        raise PatternError(
            f"the pattern is too large; keep it below {MAX_PATTERN:,} characters and its repeats "
            f"{{n}} below {_MAX_REPEATS:,} together"
        )
    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0, cache_pattern=False)
    except (regex.error, RecursionError, OverflowError, ValueError) as error:
        raise PatternError(f"no regular expression ({error}); correct it") from None
